//! Containers: from the artifact to an image that the engine has, to a container that takes
//! calls; and what becomes of it later.

use super::order::Turn;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};
use trustmesh_agent::{Input, RunOutput, RunSpec, Start};
use trustmesh_data::artifacts::{ArtifactError, ArtifactStore, Image};
use trustmesh_executor::{
    ContainerError, ContainerRunner,
    container::{EngineState, ImageFiles, InstanceSpec, InstanceState, LayerFile},
};
use trustmesh_types::{AppId, Digest, limits::TEXT_BYTES_MAX, records::AppManifest};

/// For calls under way, and then for the container, when an application stops.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The same when the node stops.
const NODE_STOP_GRACE: Duration = Duration::from_secs(2);

/// Most volumes of an image.
const VOLUMES_MAX: usize = 16;
/// Between tries to load an image: first and longest.
const LOAD_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What follows an application's container.
struct Followed {
    generation: u32,
    follower: JoinHandle<()>,
    /// What was said of it last.
    said: Said,
}

/// What became of a container, once something did.
type Said = Arc<Mutex<Option<Result<(), String>>>>;

impl Drop for Followed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

struct Inner {
    runner: ContainerRunner,
    store: ArtifactStore,
    /// The driver hears here what becomes of a container.
    tell: mpsc::UnboundedSender<Input>,
    begun: Once,
    followed: Mutex<BTreeMap<AppId, Followed>>,
}

/// Container applications; clones are the same ones.
#[derive(Clone)]
pub(super) struct Containers(Arc<Inner>);

impl Containers {
    pub(super) fn new(
        runner: ContainerRunner,
        store: ArtifactStore,
        tell: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let (begun, followed) = (Once::new(), Mutex::default());
        Self(Arc::new(Inner { runner, store, tell, begun, followed }))
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<AppId, Followed>> {
        // A map is never half changed.
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after the engine from now on, and removes what an earlier process left there.
    pub(super) fn begin(&self) {
        self.0.begun.call_once(|| {
            self.0.runner.begin();
            let runner = self.0.runner.clone();
            tokio::spawn(async move {
                up(&runner).await;
                match runner.clean_up().await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "containers of an earlier run are gone"),
                    Err(error) => tracing::warn!(%error, "what an earlier run left stays"),
                }
            });
        });
    }

    /// Makes an application's container run; what becomes of it later, the driver hears. The
    /// turn ends once it is looked after. What runs of an earlier generation may end its calls.
    pub(super) async fn start(&self, start: &Start, turn: Turn) -> Result<(), String> {
        self.begin();
        let (app, generation) = (&start.manifest.id, start.generation);
        let known = self.followed().get(app).map(|it| (it.generation, Arc::clone(&it.said)));
        if let Some((_, said)) = known.as_ref().filter(|(of, _)| *of == generation) {
            // It is looked after already: this asks how it is.
            return match self.0.runner.state(app.as_str()) {
                InstanceState::Running | InstanceState::Restarting { .. } => Ok(()),
                InstanceState::Failed { why } => Err(why),
                InstanceState::Starting | InstanceState::Stopped => match lock(said).clone() {
                    Some(Err(why)) => Err(why),
                    _ => Err(self.engine_word()),
                },
            };
        }
        let image = self.image(start.manifest.contents).await?;
        if known.is_some() {
            self.stop(app).await;
        }
        let (first, told) = tokio::sync::oneshot::channel();
        let said = Said::default();
        let teller = Teller {
            start: start.clone(),
            tell: self.0.tell.clone(),
            first: Some(first),
            said: Arc::clone(&said),
        };
        let follower = tokio::spawn(follow(self.0.runner.clone(), image, teller));
        let followed = Followed { generation, follower, said };
        drop(self.followed().insert(app.clone(), followed));
        drop(turn);
        told.await.unwrap_or_else(|_| Err("it was stopped".to_owned()))
    }

    fn engine_word(&self) -> String {
        match &*self.0.runner.engine().borrow() {
            EngineState::Down { reason } => reason.clone(),
            EngineState::Unknown | EngineState::Up { .. } => "it is being loaded".to_owned(),
        }
    }

    /// The image for this machine, every byte of it checked.
    async fn image(&self, contents: Digest) -> Result<ImageFiles, String> {
        let store = self.0.store.clone();
        let picked = spawn_blocking(move || {
            let missing = ArtifactError::Missing { what: "artifact", digest: contents };
            let of = store.contents(&contents).ok_or(missing)?;
            Image::pick(&store, &of, std::env::consts::ARCH)
        });
        let image = picked.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let layer = |it: trustmesh_data::artifacts::Layer| LayerFile {
            path: it.path,
            digest: it.digest,
            bytes: it.bytes,
            media_type: it.media_type,
        };
        Ok(ImageFiles {
            manifest: image.manifest,
            config_digest: image.config_digest,
            config: image.config,
            layers: image.layers.into_iter().map(layer).collect(),
        })
    }

    /// Ends an application's container, if there is one.
    pub(super) async fn end(&self, app: &AppId) {
        if self.followed().contains_key(app) {
            self.stop(app).await;
        }
    }

    /// Ends an application's container.
    pub(super) async fn stop(&self, app: &AppId) {
        self.stop_within(app, STOP_GRACE).await;
    }

    async fn stop_within(&self, app: &AppId, grace: Duration) {
        let followed = self.followed().remove(app);
        if let Some(mut followed) = followed {
            // Nothing begins behind what follows.
            followed.follower.abort();
            let _ = (&mut followed.follower).await;
        }
        if let Err(error) = self.0.runner.stop(app.as_str(), grace).await {
            tracing::warn!(%app, %error, "a container can't be stopped");
        }
    }

    /// Ends all containers, within a time: the node stops.
    pub(super) async fn stop_all(&self) {
        let apps: Vec<AppId> = self.followed().keys().cloned().collect();
        let all = apps.iter().map(|app| self.stop_within(app, NODE_STOP_GRACE));
        futures::future::join_all(all).await;
    }

    /// Drops images of artifacts that are not here any more, and containers of applications that
    /// don't run here: of an earlier run, or the engine was away when they were to end.
    pub(super) async fn sweep(&self) {
        if !matches!(&*self.0.runner.engine().borrow(), EngineState::Up { .. }) {
            return;
        }
        let swept = async {
            self.0.runner.clean_up().await?;
            for manifest in self.0.runner.images().await? {
                if !self.0.store.holds_blob(&manifest) {
                    self.0.runner.remove_image(&manifest).await?;
                }
            }
            Ok::<_, ContainerError>(())
        };
        if let Err(error) = swept.await {
            tracing::debug!(%error, "something stays on the engine for now");
        }
    }

    /// The end of a container's log.
    pub(super) async fn log(&self, app: &AppId, lines_max: usize) -> String {
        self.0.runner.log(app.as_str(), lines_max).await.unwrap_or_else(|e| format!("({e})\n"))
    }

    /// Runs a task to its end.
    pub(super) async fn run(&self, spec: &RunSpec) -> Result<RunOutput, String> {
        let (input, timeout) = (spec.input.to_vec(), Duration::from_millis(spec.timeout_ms));
        let called = self.0.runner.call(spec.app.as_str(), input.into(), timeout).await;
        let output = called.map_err(|error| cut(error.to_string()))?;
        let duration_us = u64::try_from(output.duration.as_micros()).unwrap_or(u64::MAX);
        Ok(RunOutput { data: output.data.as_ref().into(), duration_us })
    }
}

/// Completes when the engine answers.
async fn up(runner: &ContainerRunner) {
    // The sender lives as long as the runner.
    let _ = runner.engine().wait_for(|it| matches!(it, EngineState::Up { .. })).await;
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// Places that an image says it writes to (OCI image specification, "Volumes").
fn volumes(config: &[u8]) -> Result<Vec<String>, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        config: Option<Run>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Run {
        volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    }
    let config: Config = serde_json::from_slice(config).map_err(|e| cut(e.to_string()))?;
    let volumes: Vec<String> =
        config.config.unwrap_or_default().volumes.unwrap_or_default().into_keys().collect();
    let plain = |it: &String| it.len() > 1 && it.starts_with('/') && !it.contains(':');
    if volumes.len() > VOLUMES_MAX || !volumes.iter().all(plain) {
        let why = format!("the image has volumes that are not up to {VOLUMES_MAX} plain paths");
        return Err(why);
    }
    Ok(volumes)
}

fn instance(manifest: &AppManifest, image: Digest) -> InstanceSpec {
    InstanceSpec {
        app: manifest.id.to_string(),
        image,
        memory_bytes: manifest.requirements.memory_bytes,
        cpu_millis: manifest.requirements.cpu_millis,
        tmp_bytes: manifest.requirements.disk_bytes,
        volumes: Vec::new(),
        environment: manifest.grants.environment.clone().into_iter().collect(),
        hosts: manifest.grants.network.iter().cloned().collect(),
        start_timeout: Duration::from_millis(manifest.start_timeout_ms),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what becomes of a container: first whoever began it, then the driver.
struct Teller {
    start: Start,
    tell: mpsc::UnboundedSender<Input>,
    first: Option<tokio::sync::oneshot::Sender<Result<(), String>>>,
    said: Said,
}

impl Teller {
    fn say(&mut self, result: Result<(), String>) {
        {
            let mut said = lock(&self.said);
            if said.as_ref() == Some(&result) {
                return;
            }
            *said = Some(result.clone());
        }
        match self.first.take() {
            // Whoever asked may have gone.
            Some(first) => drop(first.send(result)),
            None => {
                let (app, generation) = (self.start.manifest.id.clone(), self.start.generation);
                // Fails only when the driver is gone, and then nobody needs it.
                let _ = self.tell.send(Input::Started { app, generation, result });
            }
        }
    }
}

/// Loads the image and begins the container, again when the engine comes back or has room.
async fn follow(runner: ContainerRunner, image: ImageFiles, mut teller: Teller) {
    let mut pause = LOAD_PAUSE.0;
    while let Err(error) = runner.load(&image).await {
        teller.say(Err(cut(error.to_string())));
        tokio::time::sleep(pause).await;
        up(&runner).await;
        // An image that the engine can't take is sent ever more rarely.
        pause = match error {
            ContainerError::EngineDown { .. } => LOAD_PAUSE.0,
            _ => pause.saturating_mul(2).min(LOAD_PAUSE.1),
        };
    }
    let mut spec = instance(&teller.start.manifest, image.manifest);
    spec.volumes = match volumes(&image.config) {
        Ok(volumes) => volumes,
        Err(why) => return teller.say(Err(why)),
    };
    let app = spec.app.clone();
    let begun = runner.start(spec).await;
    teller.say(begun.map(drop).map_err(|error| cut(error.to_string())));
    let Some(mut states) = runner.states(&app) else { return };
    loop {
        match &*states.borrow_and_update() {
            InstanceState::Running => teller.say(Ok(())),
            InstanceState::Failed { why } => teller.say(Err(cut(why.clone()))),
            InstanceState::Stopped => return,
            // Calls wait for it in the meantime.
            InstanceState::Starting | InstanceState::Restarting { .. } => {}
        }
        let failed = matches!(&*states.borrow(), InstanceState::Failed { .. });
        if failed && let Err(error) = runner.load(&image).await {
            // An engine may have lost it; what it says of that, the container's state says too.
            tracing::debug!(app, %error, "an image is not there again");
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}
