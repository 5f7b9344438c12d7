//! The resources contract: what each node has free, as it says itself (PROTOCOL §5).
//!
//! What a node claims never counts above the capacity its operator attests. A report lives
//! for a time; a node without a live one is neither designated nor assigned tasks. Times
//! are Unix milliseconds: `taken_ms` by the node's clock, `live_until_ms` by block time.

use super::values;
use crate::{
    machine::Draft,
    tables::{DeadlineKey, Deadlines, Loads, deadline},
};
use trustmesh_types::{
    PublicKey,
    events::Event,
    reject::{RejectCode, Rejection},
    resources::{ResourceReport, Snapshot},
};

fn expiry(due_ms: u64, node: &PublicKey) -> DeadlineKey {
    DeadlineKey { due_ms, kind: deadline::SNAPSHOT, id: node.0 }
}

/// Takes a node's report.
///
/// # Errors
/// [`Rejection`] when the signer is no node, the batch's length is out of its range, or the
/// snapshot is not newer than the one before.
pub fn report(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    report: &ResourceReport,
) -> Result<(), Rejection> {
    let info = values::node(draft, signer, "report resources")?;
    let batch_max = draft.parameters.snapshot_batch;
    if !(1..=batch_max).contains(&report.batch_len) {
        let reason =
            format!("the batch has {} snapshots, 1 to {batch_max} are allowed", report.batch_len);
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    let mut load = draft.store.get::<Loads>(signer).unwrap_or_default();
    if let Some(last) = load.snapshot {
        if report.newest.taken_ms <= last.taken_ms {
            let reason = format!(
                "the snapshot was taken at {} ms, not after the last one's {} ms; check the \
                 node's clock",
                report.newest.taken_ms, last.taken_ms
            );
            return Err(Rejection::new(RejectCode::InvalidValue, reason));
        }
        draft.store.remove::<Deadlines>(&expiry(load.live_until_ms, signer));
    }
    let foreign = report.newest.foreign.at_most(info.capacity);
    load.snapshot = Some(Snapshot { taken_ms: report.newest.taken_ms, foreign });
    load.live_until_ms = draft.timestamp_ms.saturating_add(draft.parameters.snapshot_lifetime_ms());
    load.batch_root = report.batch_root;
    load.changed = draft.height;
    draft.store.put::<Deadlines>(&expiry(load.live_until_ms, signer), &0);
    draft.store.put::<Loads>(signer, &load);
    draft.touched = true;
    draft.emit(Event::ResourcesReported { node: *signer });
    Ok(())
}

/// Ends the life of a node's snapshot, when its deadline fires.
pub fn expire(draft: &mut Draft<'_>, node: &PublicKey) {
    let Some(mut load) = draft.store.get::<Loads>(node) else { return };
    draft.store.remove::<Deadlines>(&expiry(load.live_until_ms, node));
    if load.snapshot.take().is_some() {
        load.changed = draft.height;
        draft.store.put::<Loads>(node, &load);
        draft.emit(Event::ResourcesExpired { node: *node });
    }
}
