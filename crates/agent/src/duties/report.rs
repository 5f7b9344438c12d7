//! Resource reports and signs of life (PROTOCOL §5, §6).
//!
//! The first sample is reported at once, so that the node can be designated and assigned;
//! then one transaction per batch, and by all nodes at the same time: when the clock passes a
//! multiple of the time that a batch takes. A report that does not show on the ledger is sent
//! again.

use crate::{
    agenda::{Matter, Retry},
    core::Core,
    limits,
};
use trustmesh_types::{
    Digest, Payload, codec, merkle,
    message::Message,
    resources::{ResourceReport, Snapshot},
};

/// Samples since the last report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reports {
    batch: Vec<Snapshot>,
    /// In which of the times that a batch takes the last report was.
    period: Option<u64>,
    pending: Option<(ResourceReport, Retry)>,
}

/// A sample was taken.
pub(crate) fn sampled(core: &mut Core, reports: &mut Reports, snapshot: Snapshot) {
    reports.batch.push(snapshot);
    let parameters = core.state.parameters();
    let full = reports.batch.len() >= parameters.snapshot_batch as usize;
    let period = snapshot.taken_ms.checked_div(parameters.report_interval_ms());
    if !full && reports.period.is_some() && reports.period == period {
        return;
    }
    reports.period = period;
    let leaves: Vec<Digest> = reports.batch.iter().map(|s| Digest::of(&codec::encode(s))).collect();
    let report = ResourceReport {
        newest: snapshot,
        batch_root: merkle::root(&leaves),
        batch_len: u32::try_from(leaves.len()).unwrap_or(u32::MAX),
    };
    reports.batch.clear();
    reports.pending = Some((report, Retry::default()));
    tick(core, reports);
}

/// Sends the report that is due.
pub(crate) fn tick(core: &mut Core, reports: &mut Reports) {
    let Some((report, retry)) = &mut reports.pending else { return };
    if retry.ready(core.now_ms) {
        retry.tried(core.now_ms, limits::TRANSACT_MS);
        core.transact(Payload::ReportResources(report.clone()));
    }
    let at_ms = retry.next_ms();
    core.later(Matter::Report, at_ms);
}

/// The ledger has this node's report, or refuses it for good.
pub(crate) fn settled(core: &mut Core, reports: &mut Reports) {
    reports.pending = None;
    core.agenda.clear(&Matter::Report);
}

/// "I am here", to every node that may plan.
pub(crate) fn alive(core: &mut Core) {
    let nodes = core.state.nodes();
    for node in nodes.into_iter().filter(|n| n.info.roles.scheduler) {
        core.send(node.info.key, Message::Alive);
    }
    core.later(Matter::Alive, core.now_ms.saturating_add(limits::ALIVE_MS));
}
