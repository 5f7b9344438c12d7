//! Requests without a designee: when they are tried again (PROTOCOL §4, Queueing).
//!
//! A *pass* goes over the waiting requests, oldest first, at most [`LOOKED_AT_MAX`] and at
//! most [`limits::RETRIES_PER_BLOCK_MAX`] designated per block; the next block goes on
//! behind the last one (`Retry`). What always holds:
//!
//! - A request is tried only when something that could help changed after the states that
//!   its decliners saw, and never in the block in which it came to wait: no livelock.
//! - No such change is lost: one during a pass asks for another pass, and so does a request
//!   that comes to wait, because the room that was left for it is free for others.
//! - Requests are designated only as far as their open tasks could fit in what is free,
//!   together with those tried before them in the block. The test is necessary, not
//!   sufficient (sums, and each task alone), so nothing feasible is held back for good.
//! - While a pass is unfinished a `RETRY` deadline is due, so that a leader makes a block.

use super::{deadlines, designation, lifecycle};
use crate::{
    contracts::applications,
    machine::Draft,
    tables::{
        Apps, Loads, Members, Requests, Retry, RetryRecord, Waiting, WaitingRecord, deadline,
    },
};
use trustmesh_types::{
    Digest, PublicKey, RequestId,
    events::Event,
    limits,
    records::{AppState, Member, NodeInfo, RequestRecord},
    resources::Resources,
};

/// Waiting requests that are looked at in one block.
const LOOKED_AT_MAX: usize = 256;

/// Goes on with the pass over waiting requests, or begins one if something changed.
pub(super) fn retry(draft: &mut Draft<'_>) {
    let stored = draft.store.get::<Retry>(&());
    let before = stored.unwrap_or(RetryRecord { changed_height: 0, began_height: 0, after: None });
    let mut pass = before;
    if draft.touched {
        pass.changed_height = draft.height;
    }
    if draft.store.first::<Waiting>().is_none() {
        pass.after = None;
    } else {
        go_on(draft, &mut pass);
        if draft.events.iter().any(|e| matches!(e, Event::RequestWaiting { .. })) {
            pass.began_height = pass.began_height.min(pass.changed_height.saturating_sub(1));
        }
        if is_due(&pass) {
            let nobody = RequestId(Digest([0; 32]));
            deadlines::arm(draft, draft.timestamp_ms, deadline::RETRY, &nobody, 0);
        }
    }
    if pass != before {
        draft.store.put::<Retry>(&(), &pass);
    }
}

fn is_due(pass: &RetryRecord) -> bool {
    pass.after.is_some() || pass.changed_height > pass.began_height
}

fn go_on(draft: &mut Draft<'_>, pass: &mut RetryRecord) {
    if !is_due(pass) {
        return;
    }
    if pass.after.is_none() {
        pass.began_height = draft.height;
    }
    let candidates = designation::candidates(draft);
    if candidates.is_empty() {
        // Only a node's report can change that, and it will ask for a pass.
        pass.after = None;
        pass.began_height = draft.height;
        return;
    }
    let from = pass.after.unwrap_or((0, RequestId(Digest([0; 32]))));
    // One more than is looked at tells whether the pass ends here.
    let mut queue: Vec<((u64, RequestId), WaitingRecord)> = draft
        .store
        .iter_from::<Waiting>(&from)
        .filter(|(key, _)| pass.after != Some(*key))
        .take(LOOKED_AT_MAX.saturating_add(1))
        .collect();
    let mut more = queue.len() > LOOKED_AT_MAX;
    queue.truncate(LOOKED_AT_MAX);
    let mut room = Room::of(draft);
    let mut designated = 0;
    for (key, entry) in queue {
        if designated == limits::RETRIES_PER_BLOCK_MAX {
            more = true;
            break;
        }
        pass.after = Some(key);
        let helped = pass.changed_height > entry.seen_height && entry.since_height < draft.height;
        let Some(mut record) = draft.store.get::<Requests>(&key.1).filter(|_| helped) else {
            continue;
        };
        if room.take(draft, &record) {
            designation::designate_next(draft, &mut record, None, &candidates);
            lifecycle::save(draft, record);
            designated = designated.saturating_add(1);
        }
    }
    if !more {
        pass.after = None;
    }
}

/// A worker and what is free on it.
struct Free {
    node: PublicKey,
    info: NodeInfo,
    available: Resources,
}

/// What is free for requests that are tried again in this block.
struct Room {
    workers: Vec<Free>,
    total: Resources,
}

impl Room {
    fn of(draft: &Draft<'_>) -> Self {
        let workers: Vec<Free> = draft
            .store
            .iter::<Loads>()
            .filter(|(_, load)| load.snapshot.is_some())
            .filter_map(|(node, load)| match draft.store.get::<Members>(&node)? {
                Member::Node { info, quarantined: false, .. } if info.roles.worker => {
                    let available = load.available(&info.capacity);
                    Some(Free { node, info, available })
                }
                _ => None,
            })
            .collect();
        let total = workers.iter().fold(Resources::ZERO, |sum, free| sum.plus(free.available));
        Self { workers, total }
    }

    /// Takes what the open tasks of a request need, if they could fit.
    fn take(&mut self, draft: &Draft<'_>, record: &RequestRecord) -> bool {
        let Ok(workflow) = lifecycle::workflow(draft, record) else { return false };
        let mut needed = Resources::ZERO;
        for task in workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id)) {
            let app = draft.store.get::<Apps>(&task.app);
            let Some(app) = app.filter(|app| app.wanted == AppState::Running) else {
                return false;
            };
            let requirements = app.manifest.requirements;
            let fits = |free: &&Free| {
                free.info.runtimes.contains(&app.manifest.runtime)
                    && app.manifest.is_for(&free.info.arch)
                    && !record.barred.contains(&free.node)
                    && requirements.fits(&free.available)
                    && applications::fitness(draft, &app, &free.node).is_ok()
            };
            let replicas = usize::from(task.replicas);
            if self.workers.iter().filter(fits).take(replicas).count() < replicas {
                return false;
            }
            needed = (0..replicas).fold(needed, |sum, _| sum.plus(requirements));
        }
        if !needed.fits(&self.total) {
            return false;
        }
        self.total = self.total.minus(needed);
        true
    }
}
