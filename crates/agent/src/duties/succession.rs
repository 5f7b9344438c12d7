//! What a new committee changes for a node (PROTOCOL §4; docs/membership.md).
//!
//! Receipts count when a validator of the committee that votes signed them. When another one
//! begins, those of who left are dropped, and what then lacks some is gathered anew.
//!
//! An open request's input lies with f+1 validators of the time when it was accepted. When a
//! committee is decided of whom fewer hold it than may be faulty and one more, all others of
//! that committee fetch it, while those that leave are still there. So an accepted request can be
//! executed whoever leaves (S8).

use crate::{
    BlobKind,
    agenda::Matter,
    core::{Core, Waiter},
    duties::{fetch, receipts, request::Works},
    limits,
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    PublicKey, RequestId, committee::Committee, genesis::faults_tolerated, records::RequestRecord,
};

/// Inputs of open requests that this node takes over, and whether it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inherited {
    open: BTreeMap<RequestId, bool>,
}

/// Another committee votes from the next block on.
pub(crate) fn began(core: &mut Core, works: &mut Works) {
    receipts::count_anew(core);
    for (id, work) in &mut works.open {
        for heard in work.receipts.values_mut() {
            heard.retain(|validator, _| core.state.committee().contains(validator));
        }
        let quorum = core.quorum();
        work.receipts.retain(|_, heard| heard.len() >= quorum);
        core.poke(Matter::Request(*id));
    }
}

/// Looks at every open request; when a committee is decided, and at start.
pub(crate) fn all(core: &mut Core) {
    let open: Vec<RequestId> =
        core.state.requests().filter(|it| !it.status.ended()).map(|it| it.id).collect();
    for id in open {
        core.poke(Matter::Inherit(id));
    }
}

/// Whether this node is to hold the input of a request, of which too few hold it.
fn is_due(core: &Core, record: &RequestRecord) -> bool {
    let next: &Committee =
        core.state.committees_to_come().last().unwrap_or_else(|| core.state.committee());
    let holds = |key: &&PublicKey| next.contains(key);
    let holding = record.input_holders.iter().filter(holds).count();
    !record.status.ended()
        && next.contains(&core.me)
        && !record.input_holders.contains(&core.me)
        && holding <= faults_tolerated(next.validators.len())
}

/// Takes a request's input over, if it is to.
pub(crate) fn tick(core: &mut Core, inherited: &mut Inherited, id: RequestId) {
    let matter = Matter::Inherit(id);
    let record = core.state.request(&id).filter(|record| is_due(core, record));
    let Some(record) = record else {
        if inherited.open.remove(&id).is_some() {
            fetch::unwant(core, &matter);
        }
        return;
    };
    if *inherited.open.entry(id).or_default() {
        return;
    }
    let sources = input_sources(core, &record);
    let (digest, bytes) = (record.body.input, record.body.input_bytes);
    let Some(data) = fetch::want(core, digest, bytes, &sources, &matter) else { return };
    inherited.open.insert(id, true);
    let until_ms = core.kept_until_ms(&record.body);
    core.store(digest, data, BlobKind::Input, until_ms, Waiter::Inherited(id));
}

/// Who may have a request's input: those who signed for it, then who brought it, then the
/// validators that may have taken it over.
pub(crate) fn input_sources(core: &Core, record: &RequestRecord) -> Vec<PublicKey> {
    let mut sources = record.input_holders.clone();
    sources.push(record.entry);
    if record.input_holders.iter().any(|key| !core.state.committee().contains(key)) {
        sources.extend(core.state.validators());
    }
    let mut seen = BTreeSet::new();
    sources.retain(|key| seen.insert(*key));
    sources
}

/// An input that was taken over is durable, or not.
pub(crate) fn stored(
    core: &mut Core,
    inherited: &mut Inherited,
    id: RequestId,
    result: Result<(), String>,
) {
    let Err(reason) = result else { return };
    inherited.open.insert(id, false);
    core.note(true, Some(id), format!("the request's input could not be taken over: {reason}"));
    let at_ms = core.now_ms.saturating_add(limits::FETCH_REST_MS_MAX);
    core.later(Matter::Inherit(id), at_ms);
}
