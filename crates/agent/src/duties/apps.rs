//! Applications: this node's copy of each is brought to what the ledger wants, and the ledger
//! is told how it is (PROTOCOL §3, §7).
//!
//! A worker that can run an application holds its artifact and has it ready before its first
//! run; a holder that can't holds it to serve it to others. Invariants: nothing is fetched or
//! begun before the publisher's signature and standing were checked here, too; what shall stop
//! goes on while a plan of this node needs it, for a bounded time; the ledger is told what
//! changed, not what it knows.

use crate::{
    Effect,
    agenda::{Matter, Retry},
    core::Core,
    duties::obtain::{self, Standing, Wanted},
    effect::Start,
    limits,
};
use trustmesh_types::{
    AppId, Domain, Payload, PublicKey, codec,
    limits::TEXT_BYTES_MAX,
    records::{AppRecord, AppState, Condition},
    transaction::AppReport,
};

/// How far this node is with its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its artifact is wanted.
    Obtaining,
    /// It is being made ready.
    Starting,
    /// It runs tasks.
    Running,
    /// It can't; why.
    Failed(String),
}

/// This node's copy of an application.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    generation: u32,
    pub(crate) stage: Stage,
    note: Option<String>,
    /// Whether the driver was told to begin it, and not to end it since.
    begun: bool,
    start: Retry,
    report: Retry,
    /// When what shall stop ends at last.
    drained_ms: Option<u64>,
    /// When the ledger was told of a failure last.
    told_ms: Option<u64>,
}

impl Copy {
    fn new(generation: u32) -> Self {
        Self {
            generation,
            stage: Stage::Obtaining,
            note: None,
            begun: false,
            start: Retry::default(),
            report: Retry::default(),
            drained_ms: None,
            told_ms: None,
        }
    }
}

/// Looks at every application; at start, and when this node's roles changed.
pub(crate) fn all(core: &mut Core) {
    let apps: Vec<AppId> = core.state.apps().map(|a| a.manifest.id).collect();
    for app in apps {
        core.poke(Matter::App(app));
    }
}

/// Whether tasks of an application may run here now.
pub(crate) fn runs(core: &Core, app: &AppId) -> bool {
    core.copies.get(app).is_some_and(|copy| copy.stage == Stage::Running)
}

/// Why tasks of an application can't run here for now, when that has lasted for a while.
pub(crate) fn failing(core: &Core, app: &AppId) -> Option<String> {
    let copy = core.copies.get(app)?;
    match &copy.stage {
        Stage::Failed(why) if !copy.begun || copy.start.tries() >= limits::START_TRIES_SILENT => {
            Some(why.clone())
        }
        _ => None,
    }
}

/// Whether this node runs an application when it shall run.
fn can_run(core: &Core, record: &AppRecord) -> bool {
    let manifest = &record.manifest;
    core.state.node(&core.me).is_some_and(|node| {
        node.is_member()
            && node.info.roles.worker
            && node.info.runtimes.contains(&manifest.runtime)
            && manifest.is_for(&node.info.arch)
    })
}

/// That the publisher stands for what would run. The ledger has checked it; so does everybody
/// who runs it.
fn check_publisher(core: &Core, record: &AppRecord) -> Result<(), String> {
    let (publisher, manifest) = (&record.publisher, codec::encode(&record.manifest));
    let signature = &record.publisher_signature;
    if publisher.verify(Domain::Artifact, &core.network, &manifest, signature).is_err() {
        return Err(format!("the manifest is not signed by {}", publisher.short()));
    }
    if !core.state.may_publish(publisher) {
        return Err(format!("{} may not publish", publisher.short()));
    }
    Ok(())
}

/// Holders first; then other workers, who fetched it too, from a place that differs by node.
fn sources(core: &Core, record: &AppRecord) -> Vec<PublicKey> {
    let mut sources = record.holders.clone();
    sources.retain(|holder| core.state.node(holder).is_some_and(|it| it.is_member()));
    let spread = usize::from(core.me.0.first().copied().unwrap_or(0));
    let len = sources.len().max(1);
    sources.rotate_left(spread.checked_rem(len).unwrap_or(0));
    let others = core.state.app_conditions(record);
    let running = others.into_iter().filter(|(_, it)| it.condition == Condition::Running);
    sources.extend(running.map(|(node, _)| node));
    sources
}

/// Brings this node's copy of an application to what the ledger wants. `busy`: a plan that this
/// node works for needs it.
pub(crate) fn tick(core: &mut Core, app: &AppId, busy: bool) {
    let Some(record) = core.state.app(app) else { return };
    let runs = record.wanted == AppState::Running && can_run(core, &record);
    if record.wanted == AppState::Removed {
        return remove(core, &record, busy);
    }
    if !runs {
        end(core, &record, busy);
        if core.copies.contains_key(app) || record.holders.contains(&core.me) {
            let _ = hold(core, &record);
        }
        return;
    }
    let mut copy = match core.copies.remove(app) {
        Some(copy) if copy.generation == record.generation => copy,
        before => {
            let begun = before.is_some_and(|copy| copy.begun);
            Copy { begun, ..Copy::new(record.generation) }
        }
    };
    copy.drained_ms = None;
    advance(core, &record, &mut copy);
    report(core, &record, &mut copy);
    core.copies.insert(app.clone(), copy);
}

/// Asks for the artifact: all of it where the ledger counts on this node to hold it.
fn hold(core: &mut Core, record: &AppRecord) -> Standing {
    let manifest = &record.manifest;
    let wanted = Wanted {
        part: (manifest.contents, record.holders.contains(&core.me)),
        bytes: manifest.artifact_bytes,
        sources: sources(core, record),
        registry: manifest.registry.clone(),
    };
    obtain::want(core, wanted, &Matter::App(manifest.id.clone()))
}

fn advance(core: &mut Core, record: &AppRecord, copy: &mut Copy) {
    if let Err(why) = check_publisher(core, record) {
        copy.stage = Stage::Failed(why);
        return;
    }
    match hold(core, record) {
        Standing::Held(note) => copy.note = note.or_else(|| copy.note.take()),
        Standing::Coming => return,
        Standing::Failing(why) => {
            copy.stage = Stage::Failed(why);
            return;
        }
    }
    match copy.stage {
        Stage::Running | Stage::Starting => {}
        Stage::Obtaining | Stage::Failed(_) if copy.start.ready(core.now_ms) => {
            copy.start.tried(core.now_ms, limits::START_RETRY_MS);
            if !matches!(copy.stage, Stage::Failed(_)) {
                copy.stage = Stage::Starting;
            }
            copy.begun = true;
            let manifest = Box::new(record.manifest.clone());
            core.out.push(Effect::Start(Start { generation: copy.generation, manifest }));
            // A failed one stays so until it is known to run.
            core.later(Matter::App(record.manifest.id.clone()), copy.start.next_ms());
        }
        Stage::Obtaining | Stage::Failed(_) => {
            core.later(Matter::App(record.manifest.id.clone()), copy.start.next_ms());
        }
    }
}

/// The driver's word on a copy: it runs, or not. It may come at any time. True when it is news
/// to tasks that wait for the application.
pub(crate) fn started(
    core: &mut Core,
    app: &AppId,
    generation: u32,
    result: Result<(), String>,
) -> bool {
    // A word on what was ended since is none on what is to come.
    let current = |copy: &&mut Copy| copy.generation == generation && copy.begun;
    let Some(copy) = core.copies.get_mut(app).filter(current) else { return false };
    let runs = result.is_ok();
    let is_news = runs || copy.start.tries() >= limits::START_TRIES_SILENT;
    copy.stage = match result {
        Ok(()) => {
            copy.start = Retry::default();
            Stage::Running
        }
        Err(why) => Stage::Failed(crate::core::cut(&why, TEXT_BYTES_MAX)),
    };
    copy.report = Retry::default();
    if !runs && let Some(record) = core.state.app(app) {
        // Bytes that were damaged here are set aside: what is missing is fetched again.
        obtain::gone(core, record.manifest.contents);
    }
    core.poke(Matter::App(app.clone()));
    is_news
}

/// Tells the ledger how the copy is, unless it knows.
fn report(core: &mut Core, record: &AppRecord, copy: &mut Copy) {
    let (condition, note) = match &copy.stage {
        Stage::Obtaining | Stage::Starting => return,
        Stage::Running => (Condition::Running, copy.note.clone()),
        Stage::Failed(why) => (Condition::Failed, Some(why.clone())),
    };
    let note = note.map(|text| one_line(&text));
    let known = core.state.app_condition(record, &core.me);
    if known.as_ref().is_some_and(|known| known.condition == condition && known.note == note) {
        copy.report = Retry::default();
        return;
    }
    let app = record.manifest.id.clone();
    // Another reason for the same failure, such as a log's last line, is no news at once.
    let still_failed = condition == Condition::Failed
        && known.is_some_and(|known| known.condition == Condition::Failed);
    let next_ms = copy.told_ms.map_or(0, |at_ms| at_ms.saturating_add(limits::FAILED_AGAIN_MS));
    if still_failed && core.now_ms < next_ms {
        return core.later(Matter::App(app), next_ms);
    }
    if copy.report.ready(core.now_ms) {
        copy.report.tried(core.now_ms, limits::TRANSACT_MS);
        copy.told_ms = (condition == Condition::Failed).then_some(core.now_ms);
        let generation = copy.generation;
        let report = AppReport { app: app.clone(), generation, condition, note };
        core.transact(Payload::ReportApp(report));
    }
    core.later(Matter::App(app), copy.report.next_ms());
}

/// A text as the ledger takes notes: one line that is not empty.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut = crate::core::cut(plain.trim(), TEXT_BYTES_MAX);
    if cut.is_empty() { "no reason given".to_owned() } else { cut }
}

/// Ends a copy that runs; at last when its time to drain is over. True when none runs.
fn end(core: &mut Core, record: &AppRecord, busy: bool) -> bool {
    let id = &record.manifest.id;
    let now_ms = core.now_ms;
    let Some(copy) = core.copies.get_mut(id).filter(|copy| copy.begun) else { return true };
    let until_ms = *copy.drained_ms.get_or_insert(now_ms.saturating_add(limits::DRAIN_MS_MAX));
    if busy && now_ms < until_ms {
        let at_ms = until_ms.min(now_ms.saturating_add(limits::DRAIN_LOOK_MS));
        core.later(Matter::App(id.clone()), at_ms);
        return false;
    }
    *copy = Copy::new(copy.generation);
    core.out.push(Effect::Stop { app: id.clone() });
    true
}

fn remove(core: &mut Core, record: &AppRecord, busy: bool) {
    let (id, contents) = (&record.manifest.id, record.manifest.contents);
    if !end(core, record, busy) {
        return;
    }
    let had = core.copies.remove(id).is_some() || record.holders.contains(&core.me);
    obtain::unwant(core, &Matter::App(id.clone()));
    if !had || is_used(core, contents) {
        return;
    }
    obtain::gone(core, contents);
    core.out.push(Effect::Discard { contents });
}

/// Whether an application that is not removed has an artifact.
pub(crate) fn is_used(core: &Core, contents: trustmesh_types::Digest) -> bool {
    let uses = |a: &AppRecord| a.manifest.contents == contents && a.wanted != AppState::Removed;
    core.state.apps().any(|a| uses(&a))
}
