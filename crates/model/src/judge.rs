//! What the judge looks at after each block: the ledger's records against what happened.

use crate::{
    mesh::Mesh,
    setup::{NEEDS, NODES},
    watch::Broken,
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_state::{Executed, Proposal, State};
use trustmesh_types::{
    Digest, Payload, PublicKey, SignedTransaction, TaskId,
    events::Event,
    evidence::{SignedCompletion, TaskInput},
    genesis::faults_tolerated,
    plan::Plan,
    receipt::Outcome,
    records::{RequestRecord, Status},
    reject::RejectCode,
    request::StorageReceipt,
    resources::Resources,
    workflow::Workflow,
};

/// A completion that others hear of this early leaves them the time to take over.
const TOLD_MS: u64 = 500;

/// A task's topological level, by the longest path from a source.
fn level(workflow: &Workflow, task: &TaskId) -> u32 {
    let before = workflow.task(task).map(|t| t.after.as_slice()).unwrap_or_default();
    before.iter().map(|b| level(workflow, b).saturating_add(1)).max().unwrap_or(0)
}

impl Mesh {
    /// Looks at a block that was executed on `before`.
    pub(crate) fn look(
        &mut self,
        before: &State,
        transactions: &[SignedTransaction],
        executed: &Executed,
    ) {
        for (tx, receipt) in transactions.iter().zip(&executed.receipts) {
            self.look_at_receipt(before, tx, &receipt.outcome);
        }
        for event in &executed.events {
            self.watch.happened(event);
            match event {
                Event::Fault { node, .. } => self.look_at_fault(node),
                Event::PlanAbandoned { request, .. }
                    if before.request(request).is_some_and(|r| self.should_have_ended(&r)) =>
                {
                    self.watch.report(Broken::NotTakenOver);
                }
                _ => {}
            }
        }
        self.look_for_replays(transactions);
        self.look_at_loads();
        let records: Vec<RequestRecord> = self.records().filter_map(|(_, r)| r).collect();
        for record in &records {
            let was = before.request(&record.id);
            self.look_at_record(was.as_ref(), record);
        }
    }

    fn look_at_receipt(&mut self, before: &State, tx: &SignedTransaction, outcome: &Outcome) {
        let signer = tx.transaction.signer;
        let honest = self.world.honest(&signer);
        match (&tx.transaction.payload, outcome) {
            (_, Outcome::Rejected(rejection)) if rejection.fault && honest => {
                self.watch.report(Broken::HonestCharged);
            }
            (Payload::ConfirmSchedule(plan), Outcome::Applied) => {
                self.watch.confirmed(plan.request, plan.designation, &signer);
                if !keeps_the_rules(before, &self.world.ids, plan) {
                    self.watch.report(Broken::BadPlan);
                }
            }
            (Payload::SubmitRequest(submission), Outcome::Rejected(rejection))
                if honest && rejection.code != RejectCode::RequestExists =>
            {
                self.watch.refused.insert(submission.body.id());
            }
            (Payload::Finalize(_) | Payload::RecordProgress(_), Outcome::Rejected(rejection))
                if honest && rejection.code == RejectCode::BadSignature =>
            {
                self.watch.report(Broken::Believed);
            }
            _ => {}
        }
    }

    fn look_at_fault(&mut self, node: &PublicKey) {
        if self.world.honest(node) {
            self.watch.report(Broken::HonestCharged);
        }
        let height = self.ledger.height();
        let still = self
            .ledger
            .requests()
            .any(|r| r.designated.is_some_and(|d| d.node == *node && d.height < height));
        if still {
            self.watch.report(Broken::StillDesignated);
        }
    }

    /// Whether nothing was in a plan's way: it has honest nodes, they were quick, and the evil
    /// one gave all its tasks' outputs early and did nothing else.
    fn should_have_ended(&self, record: &RequestRecord) -> bool {
        let Some(plan) = &record.plan else { return false };
        let evil = self.world.start.evil.and_then(|at| self.world.ids.get(at));
        let given = |task: &TaskId| {
            let until_ms = plan.since_ms.saturating_add(TOLD_MS);
            self.evil.told(&record.id, plan.designation, task, until_ms)
        };
        let mut nodes = plan.assignments.iter().flat_map(|a| &a.nodes);
        self.calm
            && self.evil.fair
            && nodes.any(|node| Some(node) != evil)
            && plan
                .assignments
                .iter()
                .all(|a| !evil.is_some_and(|me| a.nodes.contains(me)) || given(&a.task))
    }

    /// No next block may hold a transaction of this one.
    fn look_for_replays(&mut self, transactions: &[SignedTransaction]) {
        for tx in transactions {
            let id = tx.id();
            // Its signatures were looked at in its first block; once more takes too long.
            let signed = matches!(
                tx.transaction.payload,
                Payload::SubmitRequest(_) | Payload::Finalize(_) | Payload::RecordProgress(_)
            );
            let proposal = Proposal {
                proposer: tx.transaction.signer,
                timestamp_ms: self.now_ms.saturating_add(1),
                transactions: std::slice::from_ref(tx),
                ids: &[id],
            };
            let again = || !signed && self.ledger.execute(&proposal).is_ok();
            if self.ledger.admit(tx, &id).is_ok() || again() {
                self.watch.report(Broken::Replayed);
            }
        }
    }

    fn look_at_loads(&mut self) {
        let mut held: BTreeMap<PublicKey, Resources> = BTreeMap::new();
        for record in self.ledger.requests().filter(|r| r.status == Status::Active) {
            let assignments = record.plan.iter().flat_map(|p| &p.assignments);
            for one in assignments.filter(|a| !record.done.contains_key(&a.task)) {
                for node in &one.nodes {
                    let sum = held.entry(*node).or_default();
                    *sum = sum.plus(NEEDS);
                }
            }
        }
        let wrong = self.ledger.nodes().into_iter().any(|node| {
            let sum = held.get(&node.info.key).copied().unwrap_or_default();
            node.load.reserved != sum || !sum.fits(&node.info.capacity)
        });
        if wrong {
            self.watch.report(Broken::Reservations);
        }
    }

    fn look_at_record(&mut self, was: Option<&RequestRecord>, record: &RequestRecord) {
        if self.is_overdue(record) {
            self.watch.report(Broken::DeadlineMissed);
        }
        if record.attempts > self.ledger.parameters().execution_attempts_max {
            self.watch.report(Broken::Attempts);
        }
        let before = was.map(|w| &w.done);
        if before.is_some_and(|b| b.keys().any(|task| !record.done.contains_key(task))) {
            self.watch.report(Broken::DoneLost);
        }
        if was.is_none() {
            let holders: BTreeSet<_> = record.input_holders.iter().copied().collect();
            self.look_at_holders(&holders, &record.body.input);
        }
        let ends = was.is_none_or(|w| !w.status.ended());
        if record.status == Status::Finalized && ends {
            self.look_at_evidence(record);
        }
    }

    /// Whether a deadline should have fired by now.
    fn is_overdue(&self, record: &RequestRecord) -> bool {
        let (now_ms, height) = (self.ledger.timestamp_ms(), self.ledger.height());
        if record.status.ended() {
            return false;
        }
        let timeout_ms = self.ledger.parameters().generation_timeout_ms;
        let planning = record.designated.as_ref().is_some_and(|d| {
            d.since_ms.saturating_add(timeout_ms) <= now_ms && height >= d.height.saturating_add(2)
        });
        let running = record.plan.as_ref().filter(|_| record.status == Status::Active);
        planning
            || running.is_some_and(|p| p.deadline_ms <= now_ms)
            || record.body.deadline_ms <= now_ms
    }

    /// At least f+1, and the honest ones have the bytes.
    fn look_at_holders(&mut self, holders: &BTreeSet<PublicKey>, digest: &Digest) {
        let lost = |key: &PublicKey| {
            let node = self.world.place(key).and_then(|at| self.nodes.get(at));
            self.world.honest(key) && node.is_none_or(|n| !n.disk.contains_key(digest))
        };
        if holders.len() <= faults_tolerated(NODES) || holders.iter().any(lost) {
            self.watch.report(Broken::TooFewHolders);
        }
    }

    fn look_at_evidence(&mut self, record: &RequestRecord) {
        let Some(workflow) = self.ledger.workflow(&record.body.workflow).map(|w| w.workflow) else {
            return;
        };
        for task in &workflow.tasks {
            let good = record.completion(&task.id).is_some_and(|it| {
                let now = !record.done.contains_key(&task.id);
                self.proves(record, &workflow, it) && (!now || assigned(record, it))
            });
            if !good {
                self.watch.report(Broken::BadEvidence);
            }
        }
        for sink in workflow.sinks() {
            let Some(output) = record.completion(&sink.id).map(|it| it.completion.output) else {
                continue;
            };
            let done = record.done.get(&sink.id).map_or(&[][..], |d| &d.receipts);
            let genuine = |it: &&StorageReceipt| {
                it.digest == output
                    && it.subject == record.id.0
                    && it.verify(&self.world.network).is_ok()
            };
            let all = done.iter().chain(&record.result_receipts).filter(genuine);
            let holders = all.map(|it| it.validator).collect();
            self.look_at_holders(&holders, &output);
        }
    }

    /// Whether a completion is signed and ran on its predecessors' outputs.
    fn proves(&self, record: &RequestRecord, workflow: &Workflow, it: &SignedCompletion) -> bool {
        let Some(task) = workflow.task(&it.completion.task) else { return false };
        let mut expected: Vec<TaskInput> = task
            .after
            .iter()
            .filter_map(|from| {
                let digest = record.completion(from)?.completion.output;
                Some(TaskInput { from: Some(from.clone()), digest })
            })
            .collect();
        if task.after.is_empty() {
            expected.push(TaskInput { from: None, digest: record.body.input });
        }
        it.completion.request == record.id
            && it.completion.inputs == expected
            && it.verify(&self.world.network).is_ok()
    }
}

fn assigned(record: &RequestRecord, it: &SignedCompletion) -> bool {
    record.plan.as_ref().is_some_and(|plan| {
        plan.designation == it.completion.designation
            && plan
                .assignments
                .iter()
                .any(|a| a.task == it.completion.task && a.nodes.contains(&it.completion.node))
    })
}

/// C3 to C5, over the state before the block.
fn keeps_the_rules(before: &State, workers: &[PublicKey], plan: &Plan) -> bool {
    let Some(record) = before.request(&plan.request) else { return false };
    let Some(workflow) = before.workflow(&record.body.workflow).map(|w| w.workflow) else {
        return false;
    };
    let open: BTreeSet<&TaskId> =
        workflow.tasks.iter().map(|t| &t.id).filter(|t| !record.done.contains_key(*t)).collect();
    let planned: BTreeSet<&TaskId> = plan.assignments.iter().map(|a| &a.task).collect();
    planned == open
        && plan.assignments.len() == open.len()
        && plan.assignments.iter().all(|a| {
            let one = matches!(a.nodes.as_slice(), [node]
                if workers.contains(node) && !record.barred.contains(node));
            one && a.level == level(&workflow, &a.task)
        })
}
