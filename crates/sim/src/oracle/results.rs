//! What devices got (S7, S8): a request that an honest node accepted stands on the ledger; a
//! result has the digests that the ledger finalized, by nodes of the confirmed plans, and the
//! values that one computes from the workflow by hand, where an honest node vouches for them.

use super::{Violation, chain::ChainView};
use crate::{workflows, world::Asked};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_agent::Delivery;
use trustmesh_types::{
    Digest, NetworkId, Payload, PublicKey, RequestId, TaskId, canonical,
    evidence::SignedCompletion, workflow::Workflow,
};

#[derive(Default)]
struct Ledger<'a> {
    assigned: BTreeSet<(&'a RequestId, u32, &'a TaskId, &'a PublicKey)>,
    completions: BTreeMap<&'a RequestId, Vec<&'a SignedCompletion>>,
}

fn read(chain: &ChainView) -> Ledger<'_> {
    let mut ledger = Ledger::default();
    for tx in chain.blocks().flat_map(|block| block.applied()) {
        match &tx.transaction.payload {
            Payload::ConfirmSchedule(plan) => {
                for assignment in &plan.assignments {
                    let of = |node| (&plan.request, plan.designation, &assignment.task, node);
                    ledger.assigned.extend(assignment.nodes.iter().map(of));
                }
            }
            Payload::RecordProgress(progress) => {
                let done = progress.done.iter().map(|done| &done.completion);
                ledger.completions.entry(&progress.request).or_default().extend(done);
            }
            Payload::Finalize(end) => {
                let completions = ledger.completions.entry(&end.request).or_default();
                completions.extend(&end.completions);
            }
            _ => {}
        }
    }
    ledger
}

/// S8: what an honest node accepted is known to the ledger.
pub(super) fn check_accepted(
    asked: &[Asked],
    known: impl Fn(&RequestId) -> bool,
    honest: impl Fn(usize) -> bool,
) -> Option<Violation> {
    let lost = asked.iter().find(|one| one.accepted.is_some_and(&honest) && !known(&one.id))?;
    let what = format!("request {} was accepted and is lost", lost.id.short());
    Some(Violation::new("S8", what))
}

/// S7: checks what devices got against a chain.
pub(super) fn check(
    network: &NetworkId,
    chain: &ChainView,
    evil: &BTreeSet<PublicKey>,
    asked: &[Asked],
) -> Vec<Violation> {
    let ledger = read(chain);
    let mut violations = Vec::new();
    for one in asked {
        let Some(delivery) = &one.delivery else { continue };
        let name = format!("request {}", one.id.short());
        let flaws = flaws(network, &ledger, evil, one, delivery);
        violations
            .extend(flaws.into_iter().map(|what| Violation::new("S7", format!("{name}: {what}"))));
    }
    violations
}

/// The tasks whose outputs an honest node vouches for, all the way from the input. What evil
/// nodes alone signed is believed by design (PROTOCOL §10): what more than half of a task's
/// replicas say is its output.
fn vouched<'a>(
    workflow: &'a Workflow,
    completions: &[&SignedCompletion],
    evil: &BTreeSet<PublicKey>,
) -> BTreeSet<&'a TaskId> {
    let mut vouched: BTreeSet<&TaskId> = BTreeSet::new();
    for task in workflow.topological() {
        let mut signers = completions.iter().map(|signed| &signed.completion);
        let honest = signers.any(|c| c.task == task.id && !evil.contains(&c.node));
        if honest && task.after.iter().all(|before| vouched.contains(before)) {
            vouched.insert(&task.id);
        }
    }
    vouched
}

fn flaws(
    network: &NetworkId,
    ledger: &Ledger<'_>,
    evil: &BTreeSet<PublicKey>,
    asked: &Asked,
    delivery: &Delivery,
) -> Vec<String> {
    let mut flaws = Vec::new();
    let on_ledger = ledger.completions.get(&asked.id).cloned().unwrap_or_default();
    let expected = workflows::expected(&asked.workflow, &asked.input).unwrap_or_default();
    if delivery.outputs.len() != asked.workflow.sinks().len() {
        let sinks = asked.workflow.sinks().len();
        flaws.push(format!("{} outputs, not {sinks}", delivery.outputs.len()));
    }
    let vouched = vouched(&asked.workflow, &on_ledger, evil);
    for (task, data) in &delivery.outputs {
        let digest = Digest::of(data);
        if !on_ledger.iter().any(|c| c.completion.task == *task && c.completion.output == digest) {
            flaws.push(format!("the output of {task} is not the one that was finalized"));
        }
        let right = expected.get(task).and_then(|value| canonical::digest(value).ok());
        if right != Some(digest) && vouched.contains(task) {
            flaws.push(format!("the output of {task} is not what it should compute to"));
        }
    }
    for task in &asked.workflow.tasks {
        let signed = delivery.completions.iter().filter(|c| c.completion.task == task.id);
        let sound = |signed: &SignedCompletion| {
            let c = &signed.completion;
            c.request == asked.id
                && signed.verify(network).is_ok()
                && ledger.assigned.contains(&(&c.request, c.designation, &c.task, &c.node))
        };
        if !signed.clone().any(sound) || !signed.clone().all(sound) {
            flaws.push(format!("no sound completion of {} by a node of the plan", task.id));
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{SecretKey, evidence::Completion};

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32])
    }

    fn completion(task: &str, node: u8) -> SignedCompletion {
        Completion {
            request: RequestId::default(),
            designation: 1,
            task: TaskId::new(task).unwrap(),
            node: key(node).public(),
            inputs: Vec::new(),
            output: Digest::default(),
            output_bytes: 1,
            duration_us: 1,
        }
        .sign(&key(node), &NetworkId::default())
    }

    #[test]
    fn an_output_is_vouched_for_by_an_honest_node_at_every_task_before_it() {
        let workflow = crate::chain();
        let evil = BTreeSet::from([key(1).public(), key(2).public()]);
        let of = |signers: [&[u8]; 3]| -> Vec<String> {
            let tasks = ["process", "detect", "alert"].into_iter().zip(signers);
            let all: Vec<SignedCompletion> = tasks
                .flat_map(|(task, nodes)| nodes.iter().map(move |node| completion(task, *node)))
                .collect();
            let all: Vec<&SignedCompletion> = all.iter().collect();
            vouched(&workflow, &all, &evil).into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(of([&[3], &[4], &[3]]), ["alert", "detect", "process"]);
        assert_eq!(of([&[3], &[1], &[3]]), ["process"]);
        assert_eq!(of([&[1, 3], &[2, 4], &[2, 1]]), ["detect", "process"]);
        assert!(of([&[1, 2], &[3], &[3]]).is_empty());
    }
}
