//! What devices got (S7, S8): a request that an honest node accepted stands on the ledger; a
//! result has the digests that the ledger finalized, by nodes of the confirmed plans.
//!
//! It also has the values that one computes from the workflow by hand, unless evil nodes
//! alone could make a task's output count: a single worker, or a majority of its replicas
//! (PROTOCOL §10). Then what was signed is all that one can ask for.

use super::{Violation, chain::ChainView};
use crate::{workflows, world::Asked};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_agent::Delivery;
use trustmesh_types::{
    Digest, NetworkId, Payload, PublicKey, RequestId, TaskId, canonical,
    evidence::SignedCompletion, workflow::Task,
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

/// Whether evil nodes alone could make a task's output count.
fn bought(task: &Task, counted: &[&SignedCompletion], evil: &BTreeSet<PublicKey>) -> bool {
    let of_task = counted.iter().filter(|signed| signed.completion.task == task.id);
    let signers = of_task.map(|signed| signed.completion.node).collect::<BTreeSet<_>>();
    signers.intersection(evil).count() * 2 > usize::from(task.replicas)
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
    let believed = asked.workflow.tasks.iter().any(|task| bought(task, &on_ledger, evil));
    let expected = workflows::expected(&asked.workflow, &asked.input).unwrap_or_default();
    if delivery.outputs.len() != asked.workflow.sinks().len() {
        let sinks = asked.workflow.sinks().len();
        flaws.push(format!("{} outputs, not {sinks}", delivery.outputs.len()));
    }
    for (task, data) in &delivery.outputs {
        let digest = Digest::of(data);
        if !on_ledger.iter().any(|c| c.completion.task == *task && c.completion.output == digest) {
            flaws.push(format!("the output of {task} is not the one that was finalized"));
        }
        let right = expected.get(task).and_then(|value| canonical::digest(value).ok());
        if right != Some(digest) && !believed {
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
