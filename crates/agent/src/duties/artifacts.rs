//! Applications: every worker holds each application's artifact and has it ready before its
//! first run (PROTOCOL §7). Nodes that don't work fetch one only when the ledger names them
//! a holder, to serve it to others.

use crate::{
    BlobKind, Effect,
    agenda::Matter,
    core::{Core, Waiter},
    duties::fetch,
};
use trustmesh_types::{
    AppId, PublicKey,
    records::{AppRecord, AppState},
};

/// Looks at every application; at start.
pub(crate) fn all(core: &mut Core) {
    let apps: Vec<AppId> = core.state.apps().map(|a| a.manifest.id).collect();
    for app in apps {
        core.poke(Matter::App(app));
    }
}

fn works(core: &Core) -> bool {
    core.state.node(&core.me).is_some_and(|n| n.info.roles.worker)
}

/// Holders first; then other workers, who fetched it too, from a place that differs by node.
fn sources(core: &Core, record: &AppRecord) -> Vec<PublicKey> {
    let mut sources = record.holders.clone();
    let spread = usize::from(core.me.0.first().copied().unwrap_or(0));
    let len = sources.len().max(1);
    sources.rotate_left(spread.checked_rem(len).unwrap_or(0));
    let workers = core.state.nodes().into_iter().filter(|n| n.info.roles.worker);
    sources.extend(workers.map(|n| n.info.key));
    sources
}

/// Brings this node's copy of an application to what the ledger wants.
pub(crate) fn tick(core: &mut Core, app: &AppId) {
    let Some(record) = core.state.app(app) else { return };
    let artifact = record.manifest.artifact;
    let matter = Matter::App(app.clone());
    if record.wanted == AppState::Removed {
        fetch::unwant(core, &matter);
        let was = core.prepared.remove(&(app.clone(), artifact));
        let shared = core
            .state
            .apps()
            .any(|a| a.manifest.artifact == artifact && a.wanted != AppState::Removed);
        if was && !shared {
            core.out.push(Effect::Discard { app: app.clone(), artifact });
        }
        return;
    }
    if core.prepared.contains(&(app.clone(), artifact)) {
        return;
    }
    if !works(core) && !record.holders.contains(&core.me) {
        return;
    }
    let sources = sources(core, &record);
    let bytes = record.manifest.artifact_bytes;
    let Some(data) = fetch::want(core, artifact, bytes, &sources, &matter) else { return };
    core.store(artifact, data, BlobKind::Artifact, u64::MAX, Waiter::App(app.clone()));
}

/// The artifact is durable here, or not. True when tasks may run by it now.
pub(crate) fn stored(core: &mut Core, app: &AppId, result: Result<(), String>) -> bool {
    if let Err(reason) = result {
        let text = format!("application {app}: its artifact could not be kept: {reason}");
        core.note(true, None, text);
        let at_ms = core.now_ms.saturating_add(crate::limits::FETCH_REST_MS_MAX);
        core.later(Matter::App(app.clone()), at_ms);
        return false;
    }
    let Some(record) = core.state.app(app).filter(|r| r.wanted != AppState::Removed) else {
        return false;
    };
    let artifact = record.manifest.artifact;
    if !works(core) || !core.prepared.insert((app.clone(), artifact)) {
        return false;
    }
    core.out.push(Effect::Prepare { app: app.clone(), artifact });
    true
}
