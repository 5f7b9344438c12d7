//! Containers: from the artifact to an image that the engine has, to a container that takes
//! calls; and what becomes of it later.

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
    ContainerRunner,
    container::{EngineState, ImageFiles, InstanceSpec, InstanceState, LayerFile},
};
use trustmesh_types::{AppId, Digest, limits::TEXT_BYTES_MAX, records::AppManifest};

/// For calls under way, and then for the container, when an application stops.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The same when the node stops.
const NODE_STOP_GRACE: Duration = Duration::from_secs(2);

/// What follows an application's container.
struct Followed {
    generation: u32,
    manifest: Digest,
    follower: JoinHandle<()>,
}

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

    /// Makes an application's container run; what becomes of it later, the driver hears.
    pub(super) async fn start(&self, start: &Start) -> Result<(), String> {
        self.begin();
        let (app, generation) = (&start.manifest.id, start.generation);
        let known = self.followed().get(app).is_some_and(|it| it.generation == generation);
        if known {
            // It is looked after already: this asks how it is.
            return match self.0.runner.state(app.as_str()) {
                InstanceState::Running | InstanceState::Restarting { .. } => Ok(()),
                InstanceState::Failed { why } => Err(why),
                InstanceState::Starting => Err("the container is starting".to_owned()),
                InstanceState::Stopped => Err(self.engine_word()),
            };
        }
        let image = self.image(start.manifest.contents).await?;
        let manifest = image.manifest;
        let (first, told) = tokio::sync::oneshot::channel();
        let follower = tokio::spawn(follow(self.clone(), start.clone(), image, first));
        let old = self.followed().insert(app.clone(), Followed { generation, manifest, follower });
        drop(old);
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

    /// Ends an application's container.
    pub(super) async fn stop(&self, app: &AppId) {
        self.stop_within(app, STOP_GRACE).await;
    }

    async fn stop_within(&self, app: &AppId, grace: Duration) {
        drop(self.followed().remove(app));
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

    /// Drops an artifact's image.
    pub(super) async fn forget(&self, contents: Digest) {
        let Ok(image) = self.image(contents).await else { return };
        if self.followed().values().any(|it| it.manifest == image.manifest) {
            return;
        }
        if let Err(error) = self.0.runner.remove_image(&image.manifest).await {
            tracing::debug!(%error, "an image stays");
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

fn instance(manifest: &AppManifest, image: Digest) -> InstanceSpec {
    InstanceSpec {
        app: manifest.id.to_string(),
        image,
        memory_bytes: manifest.requirements.memory_bytes,
        cpu_millis: manifest.requirements.cpu_millis,
        tmp_bytes: manifest.requirements.disk_bytes,
        environment: manifest.grants.environment.clone().into_iter().collect(),
        hosts: manifest.grants.network.iter().cloned().collect(),
        start_timeout: Duration::from_millis(manifest.start_timeout_ms),
    }
}

/// Loads the image and begins the container, again when the engine comes back; tells `first`
/// what came of it, and the driver what becomes of it later.
async fn follow(
    containers: Containers,
    start: Start,
    image: ImageFiles,
    first: tokio::sync::oneshot::Sender<Result<(), String>>,
) {
    let runner = &containers.0.runner;
    let mut first = Some(first);
    let mut said: Option<Result<(), String>> = None;
    let mut say = |result: Result<(), String>| {
        if said.as_ref() == Some(&result) {
            return;
        }
        said = Some(result.clone());
        match first.take() {
            // Whoever asked may have gone.
            Some(first) => drop(first.send(result)),
            None => {
                let (app, generation) = (start.manifest.id.clone(), start.generation);
                // Fails only when the driver is gone, and then nobody needs it.
                let _ = containers.0.tell.send(Input::Started { app, generation, result });
            }
        }
    };
    while let Err(error) = runner.load(&image).await {
        say(Err(cut(error.to_string())));
        if error.blames_application() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        up(runner).await;
    }
    let spec = instance(&start.manifest, image.manifest);
    let app = spec.app.clone();
    if let Err(error) = runner.start(spec).await {
        say(Err(cut(error.to_string())));
    } else {
        say(Ok(()));
    }
    let Some(mut states) = runner.states(&app) else { return };
    loop {
        match &*states.borrow_and_update() {
            InstanceState::Running => say(Ok(())),
            InstanceState::Failed { why } => say(Err(cut(why.clone()))),
            InstanceState::Stopped => return,
            // Calls wait for it in the meantime.
            InstanceState::Starting | InstanceState::Restarting { .. } => {}
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}
