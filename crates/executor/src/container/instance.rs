//! A container of an application: begun, watched, and begun again when it ends.
//!
//! Invariants: there is one container at most; it is begun again after a pause that doubles with
//! each failure and is short again after a while without; while the engine is away nothing is
//! tried; the state tells how it is, and a container's address is known only while it runs.

use super::{
    config::{InstanceSpec, InstanceState},
    create,
    egress::Egress,
    engine::Engine,
    error::ContainerError,
};
use crate::text::{end_of, shorten};
use bollard::{
    Docker,
    query_parameters::{
        InspectContainerOptions, StartContainerOptions, StopContainerOptionsBuilder,
        WaitContainerOptionsBuilder,
    },
};
use futures::StreamExt as _;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    time::Instant,
};

/// Where applications listen, as the authors' do.
const PORT: u16 = 12345;
/// First and longest pause before a container is begun again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// After the engine did not do what it was asked for.
const ENGINE_PAUSE: Duration = Duration::from_secs(1);
/// One that ran for so long gets the first pause again.
const STABLE: Duration = Duration::from_secs(10);
/// Ends in a row after which it counts as failed.
const ENDS_MAX: u32 = 3;
/// Between two tries to connect while it starts: first and longest.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// Lines of a log in an error.
const LOG_LINES: usize = 20;

/// What is known of a container from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: InstanceState,
    /// Where it takes connections, while it runs.
    pub(super) address: Option<SocketAddr>,
    /// Goes up with every container.
    pub(super) incarnation: u64,
}

/// What watches over one container.
pub(super) struct Supervisor {
    engine: Arc<Engine>,
    spec: InstanceSpec,
    known: watch::Sender<Known>,
    /// Told when the container is to be begun anew though it runs.
    anew: Arc<Notify>,
    incarnation: u64,
    ends: u32,
}

/// A container that takes connections.
struct Begun {
    docker: Docker,
    address: SocketAddr,
    _egress: Option<Egress>,
}

impl Supervisor {
    pub(super) fn new(
        engine: Arc<Engine>,
        spec: InstanceSpec,
        anew: Arc<Notify>,
    ) -> (Self, watch::Receiver<Known>) {
        let known = Known { state: InstanceState::Starting, address: None, incarnation: 0 };
        let (known, seen) = watch::channel(known);
        (Self { engine, spec, known, anew, incarnation: 0, ends: 0 }, seen)
    }

    fn say(&self, state: InstanceState, address: Option<SocketAddr>) {
        self.known.send_replace(Known { state, address, incarnation: self.incarnation });
    }

    /// Runs until the task is aborted.
    pub(super) async fn run(mut self) {
        loop {
            self.incarnation += 1;
            let since = Instant::now();
            let ended = match self.begin().await {
                Ok(begun) => {
                    self.say(InstanceState::Running, Some(begun.address));
                    let ended = tokio::select! {
                        ended = self.ended(&begun) => ended,
                        () = self.anew.notified() => self.deaf(),
                    };
                    if since.elapsed() >= STABLE {
                        self.ends = 0;
                    }
                    ended
                }
                Err(error) => error,
            };
            self.ends = self.ends.saturating_add(1);
            if let ContainerError::EngineDown { .. } = &ended {
                self.say(InstanceState::Failed { why: ended.to_string() }, None);
                self.engine.look().await;
                // One that answers this and not the rest is not pressed.
                tokio::time::sleep(ENGINE_PAUSE).await;
                self.engine.up().await;
                self.ends = 0;
                continue;
            }
            let why = shorten(ended.to_string());
            tracing::warn!(app = self.spec.app, why, "a container ended");
            // One that never ran has failed; one that did may be back in a moment.
            let never_ran =
                matches!(ended, ContainerError::NotStarted { .. } | ContainerError::Engine { .. });
            let state = if never_ran || self.ends >= ENDS_MAX {
                InstanceState::Failed { why }
            } else {
                InstanceState::Restarting { why }
            };
            self.say(state, None);
            let doubled = self.ends.saturating_sub(1).min(10);
            tokio::time::sleep(PAUSE.0.saturating_mul(1 << doubled).min(PAUSE.1)).await;
        }
    }

    /// Makes and starts a container, and waits until it takes connections.
    async fn begin(&self) -> Result<Begun, ContainerError> {
        let (docker, egress) = self.make().await?;
        let name = self.engine.name(&self.spec.app);
        let address = self.address(&docker, &name).await?;
        let until = Instant::now() + self.spec.start_timeout;
        let mut pause = LOOK.0;
        loop {
            if let Ok(Ok(_)) = tokio::time::timeout(LOOK.1, TcpStream::connect(address)).await {
                return Ok(Begun { docker, address, _egress: egress });
            }
            if let Some(how) = self.how_it_ended(&docker, &name).await? {
                return Err(self.not_started(&docker, how).await);
            }
            if Instant::now() >= until {
                let ms = self.spec.start_timeout.as_millis();
                let how = format!("nothing took a connection on port {PORT} within {ms} ms");
                let error = self.not_started(&docker, how).await;
                let _turn = self.engine.turn(&self.spec.app).await;
                self.engine.remove(&docker, &name).await?;
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
        }
    }

    /// Makes and starts a container, to the end even when nobody waits for it any more: who
    /// removes it has the turn after that.
    async fn make(&self) -> Result<(Docker, Option<Egress>), ContainerError> {
        let turn = self.engine.turn(&self.spec.app).await;
        let (engine, spec) = (Arc::clone(&self.engine), self.spec.clone());
        let making = tokio::spawn(async move {
            let _turn = turn;
            let docker = engine.connect().await?;
            let egress = create::create(&engine, &docker, &spec).await?;
            let name = engine.name(&spec.app);
            let started = docker.start_container(&name, None::<StartContainerOptions>).await;
            started.map_err(|error| ContainerError::of("start a container", &error))?;
            Ok((docker, egress))
        });
        making.await.map_err(|error| ContainerError::Engine {
            action: "make a container",
            reason: error.to_string(),
        })?
    }

    async fn not_started(&self, docker: &Docker, reason: String) -> ContainerError {
        let name = self.engine.name(&self.spec.app);
        let log = end_of(self.engine.log(docker, &name, LOG_LINES).await.trim());
        ContainerError::NotStarted { reason, log }
    }

    async fn address(&self, docker: &Docker, name: &str) -> Result<SocketAddr, ContainerError> {
        let found = docker.inspect_container(name, None::<InspectContainerOptions>).await;
        let found = found.map_err(|error| ContainerError::of("show a container", &error))?;
        let networks = found.network_settings.and_then(|it| it.networks).unwrap_or_default();
        let own = networks.get(name).and_then(|it| it.ip_address.as_ref()?.parse().ok());
        match own {
            Some(address) => Ok(SocketAddr::new(address, PORT)),
            None => {
                let ended = self.how_it_ended(docker, name).await?;
                let how = ended.unwrap_or_else(|| "it has no address".to_owned());
                Err(self.not_started(docker, how).await)
            }
        }
    }

    /// How a container ended; `None` while it runs.
    async fn how_it_ended(
        &self,
        docker: &Docker,
        name: &str,
    ) -> Result<Option<String>, ContainerError> {
        let found = docker.inspect_container(name, None::<InspectContainerOptions>).await;
        let found = found.map_err(|error| ContainerError::of("show a container", &error))?;
        let Some(state) = found.state.filter(|it| it.running != Some(true)) else {
            return Ok(None);
        };
        Ok(Some(if state.oom_killed == Some(true) {
            let mib = self.spec.memory_bytes >> 20;
            format!("it used more than its {mib} MiB of memory")
        } else {
            format!("it exited with code {}", state.exit_code.unwrap_or(-1))
        }))
    }

    /// What a container has become that runs, and takes no connections.
    fn deaf(&self) -> ContainerError {
        let reason = "it runs, and answers no connection any more".to_owned();
        ContainerError::NotRunning { app: self.spec.app.clone(), reason }
    }

    /// Waits until a container ends; how it did.
    async fn ended(&self, begun: &Begun) -> ContainerError {
        let name = self.engine.name(&self.spec.app);
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        // Longer than any container lives: the engine answers when it ends.
        let docker = begun.docker.clone().with_timeout(Duration::from_secs(u64::from(u32::MAX)));
        let mut waiting = std::pin::pin!(docker.wait_container(&name, Some(options)));
        let _ = waiting.next().await;
        let app = self.spec.app.clone();
        match self.how_it_ended(&begun.docker, &name).await {
            Ok(how) => {
                let log = self.engine.log(&begun.docker, &name, LOG_LINES).await;
                let how = how.unwrap_or_else(|| "the engine lost sight of it".to_owned());
                let reason = format!("{how}; log: {}", end_of(log.trim()));
                ContainerError::NotRunning { app, reason }
            }
            Err(error) => error,
        }
    }
}

/// Ends an application's container in order, then removes it and its network. The turn is the
/// caller's.
pub(super) async fn end(engine: &Engine, app: &str, grace: Duration) -> Result<(), ContainerError> {
    let (docker, name) = (engine.connect().await?, engine.name(app));
    let seconds = i32::try_from(grace.as_secs().max(1)).unwrap_or(i32::MAX);
    let options = StopContainerOptionsBuilder::default().t(seconds).build();
    let docker = docker.with_timeout(grace + Duration::from_secs(30));
    super::engine::gone(docker.stop_container(&name, Some(options)).await, "stop a container")?;
    engine.remove(&docker, &name).await
}
