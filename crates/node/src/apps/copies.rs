//! This node's copies of applications, as the agent wants them and as people see them.

use super::{
    Failed,
    containers::Containers,
    logs::Logs,
    modules::Modules,
    order::{Order, Turn},
    peers::Peer,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use trustmesh_agent::{Input, Obtain, RunOutput, RunSpec, Start};
use trustmesh_api::{CopyState, CopyView};
use trustmesh_client::Client;
use trustmesh_consensus::Handle;
use trustmesh_data::artifacts::{
    ArtifactError, ArtifactStore, ObtainOptions, Source, Wanted, architectures, obtain,
    oci::{Reference, Registry, RegistrySource},
};
use trustmesh_executor::{ContainerRunner, WasmRunner};
use trustmesh_types::{
    AppId, Contents, Digest, PublicKey, SecretKey,
    records::{AppManifest, AppRecord, AppState, NodeInfo, Runtime},
};

/// Artifacts that are fetched at once.
const FETCHES_MAX: usize = 4;
/// What is on no ledger goes after this: a publisher may be about to deploy it.
const UNWANTED_KEPT: Duration = Duration::from_secs(900);

/// What applications need of the node.
pub(crate) struct Parts {
    /// Where artifacts are kept.
    pub(crate) store: ArtifactStore,
    /// Runs modules.
    pub(crate) runner: WasmRunner,
    /// Runs containers.
    pub(crate) containers: ContainerRunner,
    /// Registries that artifacts may be fetched from.
    pub(crate) registries: Vec<Registry>,
    /// The driver, which hears what becomes of containers.
    pub(crate) tell: mpsc::UnboundedSender<Input>,
    /// Speaks to other nodes.
    pub(crate) client: Client,
    /// This node's key: it asks in its own name.
    pub(crate) key: SecretKey,
    /// The ledger, for who other nodes are.
    pub(crate) ledger: Handle,
}

struct Inner {
    parts: Parts,
    modules: Modules,
    containers: Containers,
    logs: Logs,
    fetches: Semaphore,
    order: Order,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Bytes that came, of how many that are wanted, by contents.
    pulling: BTreeMap<Digest, (u64, u64)>,
    /// What was had of what is wanted.
    obtained: BTreeSet<Digest>,
    /// What can't be had; why.
    lacking: BTreeMap<Digest, String>,
    /// What the last start of each application came to.
    started: BTreeMap<AppId, (u32, CopyView)>,
}

impl Seen {
    fn forget(&mut self, contents: &Digest) {
        self.obtained.remove(contents);
        self.lacking.remove(contents);
    }
}

/// Applications on this node; clones are the same ones.
#[derive(Clone)]
pub(crate) struct Apps(Arc<Inner>);

impl Apps {
    pub(crate) fn new(parts: Parts) -> Self {
        let modules = Modules::new(parts.runner.clone(), parts.store.clone());
        let (runner, tell) = (parts.containers.clone(), parts.tell.clone());
        let containers = Containers::new(runner, parts.store.clone(), tell);
        let me = parts.key.public();
        let runs = |it: trustmesh_state::NodeView| it.info.runtimes.contains(&Runtime::Container);
        if parts.ledger.state().node(&me).is_some_and(runs) {
            containers.begin();
        }
        Self(Arc::new(Inner {
            modules,
            containers,
            parts,
            logs: Logs::default(),
            fetches: Semaphore::new(FETCHES_MAX),
            order: Order::default(),
            seen: Mutex::default(),
        }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics while it is held.
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where artifacts are kept.
    pub(crate) fn store(&self) -> &ArtifactStore {
        &self.0.parts.store
    }

    /// This machine's architecture, as the ledger names it.
    fn arch() -> &'static str {
        std::env::consts::ARCH
    }

    /// The next turn to begin or end an application.
    pub(crate) fn turn(&self, app: &AppId) -> Turn {
        self.0.order.of(app)
    }

    /// A turn after all that were taken.
    pub(crate) fn turn_after_all(&self) -> Turn {
        self.0.order.after_all()
    }

    /// Fetches an artifact from whoever has it; gives what an operator should know of how it
    /// came.
    pub(crate) async fn obtain(&self, wanted: Obtain) -> Result<Option<String>, String> {
        // The semaphore is never closed.
        let _turn = self.0.fetches.acquire().await.map_err(|e| e.to_string())?;
        let contents = wanted.contents;
        let part =
            if wanted.whole { Wanted::All } else { Wanted::Platform(Self::arch().to_owned()) };
        let apps = self.clone();
        let progress = move |came, of| {
            apps.seen().pulling.insert(contents, (came, of));
        };
        let (bytes, progress) = (Some(wanted.bytes), Arc::new(progress));
        let options = ObtainOptions { bytes, progress, ..ObtainOptions::new(part) };
        self.seen().pulling.insert(contents, (0, wanted.bytes));
        let got = obtain(self.store(), contents, self.sources(&wanted), &options).await;
        let got = got.map_err(|error| error.to_string());
        {
            let mut seen = self.seen();
            seen.pulling.remove(&contents);
            seen.lacking.remove(&contents);
            match &got {
                Ok(_) => drop(seen.obtained.insert(contents)),
                Err(why) => drop(seen.lacking.insert(contents, why.clone())),
            }
        }
        let obtained = got?;
        if obtained.fetched_bytes > 0 {
            let (bytes, contents) = (obtained.fetched_bytes, contents.short());
            tracing::info!(bytes, contents, "an artifact was fetched and checked");
        }
        Ok((!obtained.liars.is_empty()).then(|| obtained.liars.join("; ")))
    }

    fn sources(&self, wanted: &Obtain) -> Vec<Arc<dyn Source>> {
        let Parts { client, key, ledger, registries, .. } = &self.0.parts;
        let state = ledger.state();
        let info = |node: &PublicKey| -> Option<NodeInfo> {
            state.node(node).filter(|it| it.is_member()).map(|it| it.info)
        };
        let peers = wanted.sources.iter().filter_map(info);
        let mut sources: Vec<Arc<dyn Source>> =
            peers.map(|info| Arc::new(Peer::new(client, key, &info)) as Arc<dyn Source>).collect();
        let named = wanted.registry.as_deref().map(str::parse::<Reference>).and_then(Result::ok);
        if let Some(named) = named {
            // Only one that this node's operator allows: a publisher names what they like.
            match registries.iter().find(|it| it.host() == named.host()) {
                Some(registry) => {
                    let source = RegistrySource::new(registry.clone(), named.repository().clone());
                    sources.push(Arc::new(source));
                }
                None => tracing::debug!(%named, "its registry is not among [[registries]]"),
            }
        }
        sources
    }

    /// Makes an application ready to run tasks, when its turn comes.
    pub(crate) async fn start(&self, start: &Start, mut turn: Turn) -> Result<(), String> {
        turn.comes().await;
        let (id, generation) = (start.manifest.id.clone(), start.generation);
        self.set(&id, generation, CopyState::Verified, Some("being made ready".to_owned()));
        let result = match start.manifest.runtime {
            Runtime::Wasm => {
                // One of that name may have been a container before.
                self.0.containers.end(&id).await;
                self.prepare_module(&start.manifest.contents).await
            }
            Runtime::Container => self.0.containers.start(start, turn).await,
        };
        self.changed(&id, generation, &result);
        result
    }

    async fn prepare_module(&self, contents: &Digest) -> Result<(), String> {
        let prepared = self.0.modules.prepare(*contents).await;
        prepared.map(drop).map_err(|Failed { reason, .. }| reason)
    }

    fn set(&self, app: &AppId, generation: u32, state: CopyState, why: Option<String>) {
        self.seen().started.insert(app.clone(), (generation, CopyView { state, why }));
    }

    /// What runs of an application may end, when its turn comes.
    pub(crate) async fn stop(&self, app: &AppId, mut turn: Turn) {
        turn.comes().await;
        self.seen().started.remove(app);
        self.0.containers.stop(app).await;
    }

    /// Ends what runs on an engine: the node stops.
    pub(crate) async fn stop_all(&self) {
        self.0.containers.stop_all().await;
    }

    /// What became of a copy later.
    pub(crate) fn changed(&self, app: &AppId, generation: u32, result: &Result<(), String>) {
        match result {
            Ok(()) => self.set(app, generation, CopyState::Running, None),
            Err(why) => self.set(app, generation, CopyState::Failed, Some(why.clone())),
        }
    }

    /// Whether the ledger wants an artifact.
    fn is_wanted(&self, contents: &Digest) -> bool {
        let wants =
            |app: &AppRecord| app.manifest.contents == *contents && app.wanted != AppState::Removed;
        self.0.parts.ledger.state().apps().any(|app| wants(&app))
    }

    /// Nobody needs an artifact any more; unless somebody does, or began to since.
    pub(crate) async fn discard(&self, contents: Digest, since: Instant) {
        if self.is_wanted(&contents) || self.seen().pulling.contains_key(&contents) {
            return;
        }
        let store = self.store().clone();
        match spawn_blocking(move || store.remove_unused(&contents, since)).await {
            Ok(Ok(true)) => {}
            // Somebody is about to deploy it again.
            Ok(Ok(false)) => return,
            Ok(Err(error)) => {
                let contents = contents.short();
                return tracing::warn!(contents, %error, "an artifact can't be removed");
            }
            Err(error) => return tracing::warn!(%error, "the node is stopping"),
        }
        self.0.modules.forget(&contents);
        self.seen().forget(&contents);
        self.0.containers.sweep().await;
    }

    /// Runs a task to its end.
    pub(crate) async fn run(&self, spec: &RunSpec) -> Result<RunOutput, String> {
        match spec.runtime {
            Runtime::Wasm => {
                let (output, log) = self.0.modules.run(spec).await.inspect_err(|why| {
                    self.0.logs.add(&spec.app, why);
                })?;
                self.0.logs.add(&spec.app, &log);
                Ok(output)
            }
            Runtime::Container => self.0.containers.run(spec).await,
        }
    }

    /// That an artifact that is here whole is something that can be run.
    pub(crate) async fn check(&self, contents: &Contents) -> Result<(), String> {
        let (store, of) = (self.store().clone(), contents.clone());
        let kinds = spawn_blocking(move || architectures(&store, &of)).await;
        let kinds = kinds.map_err(|error| error.to_string())?;
        let images = kinds.map_err(|error: ArtifactError| error.to_string())?;
        if images.is_empty() {
            return self.prepare_module(&contents.digest()).await;
        }
        Ok(())
    }

    /// The end of an application's log on this node.
    pub(crate) async fn log(&self, manifest: &AppManifest, lines_max: usize) -> String {
        match manifest.runtime {
            Runtime::Wasm => self.0.logs.tail(&manifest.id, lines_max),
            Runtime::Container => self.0.containers.log(&manifest.id, lines_max).await,
        }
    }

    /// How this node's copy of an application is.
    pub(crate) fn view(&self, record: &AppRecord) -> CopyView {
        let contents = record.manifest.contents;
        let seen = self.seen();
        if let Some((came, of)) = seen.pulling.get(&contents) {
            let why = Some(format!("{came} of {of} bytes"));
            return CopyView { state: CopyState::Pulling, why };
        }
        let started = seen.started.get(&record.manifest.id);
        let current = started.filter(|(generation, _)| *generation == record.generation);
        if record.wanted == AppState::Running
            && let Some((_, view)) = current
        {
            return view.clone();
        }
        let lacking = seen.lacking.get(&contents).cloned();
        let obtained = seen.obtained.contains(&contents);
        drop(seen);
        if let Some(why) = lacking {
            return CopyView { state: CopyState::Failed, why: Some(why) };
        }
        let begun = self.store().contents(&contents).is_some();
        let state = match record.wanted {
            _ if !begun => CopyState::Absent,
            _ if !obtained && !self.store().holds(&contents) => CopyState::Pulling,
            AppState::Stopped => CopyState::Stopped,
            _ => CopyState::Verified,
        };
        CopyView { state, why: None }
    }

    /// Drops what the ledger no longer wants, or never did: a node that was down missed it, a
    /// publisher gave up.
    pub(crate) async fn sweep(&self) {
        let since = Instant::now();
        for (contents, age) in self.store().list() {
            if age > UNWANTED_KEPT {
                self.discard(contents, since).await;
            }
        }
        self.0.containers.sweep().await;
        let state = self.0.parts.ledger.state();
        let known: Vec<AppId> = self.seen().started.keys().cloned().collect();
        for app in known {
            if state.app(&app).is_none_or(|it| it.wanted == AppState::Removed) {
                self.seen().started.remove(&app);
                self.0.logs.forget(&app);
            }
        }
    }
}
