//! Deadlines that never fire (L1): by its own account of when a designation, a plan and a
//! request are over, and what each block's timestamp says. What is due fires in the first block
//! that is late enough, so what is still open one block later was forgotten.

use super::Violation;
use std::collections::BTreeMap;
use trustmesh_types::{RequestId, genesis::Parameters, limits::GENERATION_BLOCKS_MIN};

/// What an open request waits for.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Its own deadline.
    over_ms: u64,
    /// When the designated node is passed over, and from which height on.
    plan_by: Option<(u64, u64)>,
    /// When its plan is overdue.
    done_by_ms: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Deadlines {
    parameters: Parameters,
    open: BTreeMap<RequestId, Open>,
    /// Height and timestamp of the last block.
    last: (u64, u64),
}

impl Deadlines {
    pub(super) fn new(parameters: &Parameters) -> Self {
        Self { parameters: parameters.clone(), open: BTreeMap::new(), last: (0, 0) }
    }

    /// Operators change parameters, for what is designated and planned from now on.
    pub(super) fn parameters(&mut self, parameters: &Parameters) {
        self.parameters = parameters.clone();
    }

    pub(super) fn accepted(&mut self, request: RequestId, over_ms: u64) {
        self.open.insert(request, Open { over_ms, plan_by: None, done_by_ms: None });
    }

    pub(super) fn designated(&mut self, request: &RequestId, (height, now_ms): (u64, u64)) {
        let due_ms = now_ms.saturating_add(self.parameters.generation_timeout_ms);
        self.change(request, |open| {
            open.plan_by = Some((due_ms, height.saturating_add(GENERATION_BLOCKS_MIN)));
        });
    }

    /// Nobody is designated, and no plan runs.
    pub(super) fn idle(&mut self, request: &RequestId) {
        self.change(request, |open| {
            open.plan_by = None;
            open.done_by_ms = None;
        });
    }

    /// A plan is Active whose tasks may take that long.
    pub(super) fn active(&mut self, request: &RequestId, now_ms: u64, takes_ms: u64) {
        let grace_ms = self.parameters.execution_grace_ms;
        self.change(request, |open| {
            open.plan_by = None;
            open.done_by_ms = Some(now_ms.saturating_add(takes_ms).saturating_add(grace_ms));
        });
    }

    pub(super) fn ended(&mut self, request: &RequestId) {
        self.open.remove(request);
    }

    fn change(&mut self, request: &RequestId, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.get_mut(request) {
            change(open);
        }
    }

    /// A block has been judged: nothing is open that was due in the one before.
    pub(super) fn check(&mut self, height: u64, now_ms: u64) -> Result<(), Violation> {
        let (last_height, last_ms) = self.last;
        self.last = (height, now_ms);
        for (request, open) in &self.open {
            let forgotten = if open.over_ms <= last_ms {
                "it has not ended at its own deadline"
            } else if open.done_by_ms.is_some_and(|due_ms| due_ms <= last_ms) {
                "its plan is overdue and still Active"
            } else if open.plan_by.is_some_and(|(due, from)| due <= last_ms && from <= last_height)
            {
                "its designated node is late and still designated"
            } else {
                continue;
            };
            let what = format!("request {}: {forgotten}, at block {height}", request.short());
            return Err(Violation::new("L1", what));
        }
        Ok(())
    }
}
