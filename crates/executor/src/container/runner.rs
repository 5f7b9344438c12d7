//! The runner: images loaded, containers begun and ended, calls made.
//!
//! Invariants: one container per application; at most `calls_max` of its calls run and
//! `waiting_max` wait; a call that breaks because its container ended is made once more on the
//! next one, within its time. Such calls go one after the other, so that the one that ends each
//! container does not take the others along again. Calls must have no effects but their answer.

use super::{
    call,
    config::{
        ContainerConfig, ContainerOutput, EngineState, ImageFiles, InstanceSpec, InstanceState,
    },
    engine::Engine,
    error::ContainerError,
    instance::{self, Known, Supervisor},
    load,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use trustmesh_types::Digest;

/// Calls in a row to which nothing listened, after which a container is begun anew.
const DEAF_MAX: usize = 5;
/// Within this time after a broken connection it shows whether the container ended.
const END_SHOWS: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Instance {
    spec: InstanceSpec,
    known: watch::Receiver<Known>,
    supervisor: JoinHandle<()>,
    calls: Semaphore,
    waiting: AtomicUsize,
    /// Calls that are made once more take turns.
    again: AsyncMutex<()>,
    /// Calls in a row to which nothing listened.
    deaf: AtomicUsize,
    /// It is to be begun anew.
    anew: Arc<Notify>,
    /// It was stopped, or another one has its place.
    over: watch::Sender<bool>,
}

impl Instance {
    /// Calls that hold it get no container any more, and none is begun: its address may soon be
    /// somebody else's.
    fn end(&self) {
        self.over.send_replace(true);
        self.supervisor.abort();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    instances: Mutex<BTreeMap<String, Arc<Instance>>>,
}

/// Runs container applications. Clones are the same runner.
///
/// Its async functions must be called inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct ContainerRunner(Arc<Inner>);

impl ContainerRunner {
    /// A runner; nothing is asked of the engine yet, which need not be there.
    #[must_use]
    pub fn new(config: ContainerConfig) -> Self {
        let engine = Arc::new(Engine::new(config));
        Self(Arc::new(Inner { engine, instances: Mutex::default() }))
    }

    fn instances(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Instance>>> {
        // A map of pointers is never half changed.
        self.0.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the engine is there from now on, and removes what an earlier process of
    /// this node left on it; once it is there.
    pub fn begin(&self) {
        let engine = &self.0.engine;
        tokio::spawn(Engine::watch(Arc::downgrade(engine)));
    }

    /// Whether the engine is there, as it was last seen.
    #[must_use]
    pub fn engine(&self) -> watch::Receiver<EngineState> {
        self.0.engine.state()
    }

    /// Looks whether the engine is there now.
    pub async fn look(&self) -> EngineState {
        self.0.engine.look().await
    }

    /// Removes containers and networks of this node's that no application has: an earlier
    /// process left them, or the engine was away. For how many applications.
    ///
    /// # Errors
    /// The first [`ContainerError`]; the others go on.
    pub async fn clean_up(&self) -> Result<usize, ContainerError> {
        let engine = &self.0.engine;
        let docker = engine.connect().await?;
        let (mut removed, mut failed) = (0, None);
        for app in engine.apps(&docker).await? {
            let _turn = engine.turn(&app).await;
            if self.instances().contains_key(&app) {
                continue;
            }
            match engine.remove(&docker, &engine.name(&app)).await {
                Ok(()) => removed += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    /// Loads an image from files, unless the engine has it.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub async fn load(&self, image: &ImageFiles) -> Result<(), ContainerError> {
        load::load(&self.0.engine, image).await
    }

    /// The images that this node has loaded, by the digests of their manifests.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub async fn images(&self) -> Result<Vec<Digest>, ContainerError> {
        let engine = &self.0.engine;
        load::images(&engine.connect().await?, &engine.repository()).await
    }

    /// Drops an image.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub async fn remove_image(&self, manifest: &Digest) -> Result<(), ContainerError> {
        let docker = self.0.engine.connect().await?;
        load::remove(&docker, &self.0.engine.tag(manifest)).await
    }

    /// Begins an application's container, in place of an earlier one, and waits until it runs
    /// or has failed. What becomes of it later, the channel tells.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`] when it failed; it is tried again until it is stopped.
    pub async fn start(
        &self,
        spec: InstanceSpec,
    ) -> Result<watch::Receiver<InstanceState>, ContainerError> {
        let app = spec.app.clone();
        if let Some(old) = self.instances().remove(&app) {
            old.end();
        }
        let anew = Arc::<Notify>::default();
        let engine = Arc::clone(&self.0.engine);
        let (supervisor, known) = Supervisor::new(engine, spec.clone(), Arc::clone(&anew));
        let instance = Arc::new(Instance {
            spec,
            known: known.clone(),
            supervisor: tokio::spawn(supervisor.run()),
            calls: Semaphore::new(self.0.engine.config.calls_max),
            waiting: AtomicUsize::new(0),
            again: AsyncMutex::default(),
            deaf: AtomicUsize::new(0),
            anew,
            over: watch::Sender::new(false),
        });
        self.instances().insert(app.clone(), instance);
        let mut settled = known.clone();
        let first = settled
            .wait_for(|it| {
                matches!(it.state, InstanceState::Running | InstanceState::Failed { .. })
            })
            .await
            .map(|it| it.state.clone());
        match first {
            Ok(InstanceState::Running) => Ok(states(known)),
            Ok(InstanceState::Failed { why }) => {
                Err(ContainerError::NotRunning { app, reason: why })
            }
            _ => Err(ContainerError::NotRunning { app, reason: "it was stopped".to_owned() }),
        }
    }

    /// Changes of an application's container from now on; `None` when there is none.
    #[must_use]
    pub fn states(&self, app: &str) -> Option<watch::Receiver<InstanceState>> {
        self.instances().get(app).map(|it| states(it.known.clone()))
    }

    /// How an application's container is.
    #[must_use]
    pub fn state(&self, app: &str) -> InstanceState {
        let found = self.instances().get(app).cloned();
        found.map_or(InstanceState::Stopped, |it| it.known.borrow().state.clone())
    }

    /// The container that runs for an application, as it was to be begun.
    #[must_use]
    pub fn spec(&self, app: &str) -> Option<InstanceSpec> {
        self.instances().get(app).map(|it| it.spec.clone())
    }

    /// Ends an application's container: calls under way may end, then it is told to, and at
    /// last killed.
    ///
    /// # Errors
    /// [`ContainerError`] when the engine does not do so; nothing is called any more even then.
    pub async fn stop(&self, app: &str, grace: Duration) -> Result<(), ContainerError> {
        // Nobody else removes it while its calls end.
        let _turn = self.0.engine.turn(app).await;
        let Some(instance) = self.instances().remove(app) else { return Ok(()) };
        let until = Instant::now() + grace;
        let all = u32::try_from(self.0.engine.config.calls_max).unwrap_or(u32::MAX);
        // No permit comes back when a call outlives the time that there is.
        let _ = timeout_at(until, instance.calls.acquire_many(all)).await;
        instance.end();
        let rest = until.saturating_duration_since(Instant::now());
        instance::end(&self.0.engine, app, rest).await
    }

    /// The last lines of a container's log.
    ///
    /// # Errors
    /// [`ContainerError`] when there is no engine.
    pub async fn log(&self, app: &str, lines_max: usize) -> Result<String, ContainerError> {
        let engine = &self.0.engine;
        let docker = engine.connect().await?;
        Ok(engine.log(&docker, &engine.name(app), lines_max).await)
    }

    /// Calls an application. Dropping the future ends the call.
    ///
    /// # Errors
    /// [`ContainerError`]; see [`ContainerError::blames_application`].
    pub async fn call(
        &self,
        app: &str,
        input: Bytes,
        timeout: Duration,
    ) -> Result<ContainerOutput, ContainerError> {
        let config = &self.0.engine.config;
        let max_bytes = config.input_bytes_max;
        if input.len() > max_bytes {
            return Err(ContainerError::InputTooLarge { got_bytes: input.len(), max_bytes });
        }
        let stopped = || ContainerError::NotRunning {
            app: app.to_owned(),
            reason: "it was not started".to_owned(),
        };
        let instance = self.instances().get(app).cloned().ok_or_else(stopped)?;
        let until = Instant::now() + timeout;
        let waiting = instance.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waiting(&instance.waiting);
        let busy = || ContainerError::Busy { app: app.to_owned(), waiting };
        if waiting >= config.waiting_max.saturating_add(config.calls_max) {
            return Err(busy());
        }
        let late = || ContainerError::Timeout { timeout };
        // The semaphore is never closed.
        let place = timeout_at(until, instance.calls.acquire()).await.map_err(|_| busy())?;
        let once = async || {
            let (address, incarnation) = running(&instance, until, app).await?;
            let called = timeout_at(until, call::call(address, &input, config));
            let called = tokio::select! {
                called = called => called.map_err(|_| late())?,
                () = over(&instance) => return Err(was_stopped(app)),
            };
            heard(&instance, &called);
            Ok((called, incarnation))
        };
        let (mut result, incarnation) = once().await?;
        if let Err(broken @ (ContainerError::Broken { .. } | ContainerError::Unheard { .. })) =
            &result
            && ended(&instance, incarnation).await
        {
            tracing::debug!(app, %broken, "a call is made again on the next container");
            let _turn = timeout_at(until, instance.again.lock()).await.map_err(|_| late())?;
            let (again, incarnation) = once().await?;
            if let Err(ContainerError::Broken { .. } | ContainerError::Unheard { .. }) = &again {
                // Whoever is next finds the next container.
                ended(&instance, incarnation).await;
            }
            result = again;
        }
        drop((place, waits));
        result
    }
}

/// A call that waits or runs, counted while this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn was_stopped(app: &str) -> ContainerError {
    ContainerError::NotRunning { app: app.to_owned(), reason: "it was stopped".to_owned() }
}

/// Completes when an instance was stopped.
async fn over(instance: &Instance) {
    // The sender is the instance's own.
    let _ = instance.over.subscribe().wait_for(|over| *over).await;
}

/// A container to which nobody listens any more, call after call, is begun anew.
fn heard(instance: &Instance, called: &Result<ContainerOutput, ContainerError>) {
    if !matches!(called, Err(ContainerError::Unheard { .. })) {
        instance.deaf.store(0, Ordering::Relaxed);
    } else if instance.deaf.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= DEAF_MAX {
        instance.deaf.store(0, Ordering::Relaxed);
        instance.anew.notify_one();
    }
}

/// Where an application's container takes connections, once it does.
async fn running(
    instance: &Instance,
    until: Instant,
    app: &str,
) -> Result<(std::net::SocketAddr, u64), ContainerError> {
    if *instance.over.borrow() {
        return Err(was_stopped(app));
    }
    let mut known = instance.known.clone();
    let settled =
        |it: &Known| it.address.is_some() || matches!(it.state, InstanceState::Failed { .. });
    let seen = timeout_at(until, known.wait_for(settled)).await;
    let reason = match seen {
        Ok(Ok(it)) => match (&it.state, it.address) {
            (_, Some(address)) => return Ok((address, it.incarnation)),
            (InstanceState::Failed { why }, None) => why.clone(),
            _ => "it has no address".to_owned(),
        },
        Ok(Err(_)) => "it was stopped".to_owned(),
        Err(_) => "none began in time".to_owned(),
    };
    Err(ContainerError::NotRunning { app: app.to_owned(), reason })
}

/// Whether a container ends in the moment after a connection to it broke.
async fn ended(instance: &Instance, incarnation: u64) -> bool {
    let mut known = instance.known.clone();
    let over = |it: &Known| it.incarnation != incarnation || it.address.is_none();
    matches!(tokio::time::timeout(END_SHOWS, known.wait_for(over)).await, Ok(Ok(_)))
}

/// The states alone.
fn states(mut known: watch::Receiver<Known>) -> watch::Receiver<InstanceState> {
    let (tell, told) = watch::channel(known.borrow().state.clone());
    tokio::spawn(async move {
        while known.changed().await.is_ok() {
            let state = known.borrow_and_update().state.clone();
            if tell.send(state).is_err() {
                return;
            }
        }
        // The last word on a container that was stopped.
        tell.send_replace(InstanceState::Stopped);
    });
    told
}
