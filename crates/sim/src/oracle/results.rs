//! What devices got (S7, S8): an accepted request stands on the ledger; a result has the
//! digests that the ledger finalized, by nodes of the confirmed plans, and the values that
//! one computes from the workflow by hand.

use super::{Violation, chain::ChainView};
use crate::{outcome::End, workflows, world::Asked};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_agent::Delivery;
use trustmesh_types::{
    Digest, NetworkId, Payload, PublicKey, RequestId, TaskId, canonical, events::Event,
    evidence::SignedCompletion, genesis::Genesis,
};

#[derive(Default)]
struct Ledger<'a> {
    accepted: BTreeSet<&'a RequestId>,
    ended: BTreeSet<&'a RequestId>,
    assigned: BTreeSet<(&'a RequestId, u32, &'a TaskId, &'a PublicKey)>,
    completions: BTreeMap<&'a RequestId, Vec<&'a SignedCompletion>>,
}

fn read(chain: &ChainView) -> Ledger<'_> {
    let mut ledger = Ledger::default();
    for block in chain.blocks() {
        for tx in block.applied() {
            match &tx.transaction.payload {
                Payload::ConfirmSchedule(plan) => {
                    for assignment in &plan.assignments {
                        let nodes = assignment.nodes.iter();
                        ledger.assigned.extend(
                            nodes.map(|node| {
                                (&plan.request, plan.designation, &assignment.task, node)
                            }),
                        );
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
        for event in &block.events {
            match event {
                Event::RequestAccepted { request } => {
                    ledger.accepted.insert(request);
                }
                Event::RequestFinalized { request }
                | Event::RequestFailed { request, .. }
                | Event::RequestCancelled { request } => {
                    ledger.ended.insert(request);
                }
                _ => {}
            }
        }
    }
    ledger
}

/// Checks what devices got against a chain.
pub(super) fn check(genesis: &Genesis, chain: &ChainView, asked: &[Asked]) -> Vec<Violation> {
    let (ledger, network) = (read(chain), genesis.network_id());
    let mut violations = Vec::new();
    for one in asked {
        let name = format!("request {}", one.id.short());
        if one.accepted && !ledger.accepted.contains(&one.id) {
            violations.push(Violation::new("S8", format!("{name} was accepted and is lost")));
        }
        if one.end == End::Unended && ledger.ended.contains(&one.id) {
            let what = format!("{name} has ended, but its device never heard of it");
            violations.push(Violation::new("L1", what));
        }
        if let Some(delivery) = &one.delivery {
            let flaws = flaws(&network, &ledger, one, delivery);
            let flaws =
                flaws.into_iter().map(|what| Violation::new("S7", format!("{name}: {what}")));
            violations.extend(flaws);
        }
    }
    violations
}

fn flaws(
    network: &NetworkId,
    ledger: &Ledger<'_>,
    asked: &Asked,
    delivery: &Delivery,
) -> Vec<String> {
    let mut flaws = Vec::new();
    let on_ledger = ledger.completions.get(&asked.id).cloned().unwrap_or_default();
    let expected = workflows::expected(&asked.workflow, &asked.input).unwrap_or_default();
    if delivery.outputs.len() != expected.len() {
        flaws.push(format!("{} outputs, not {}", delivery.outputs.len(), expected.len()));
    }
    for (task, data) in &delivery.outputs {
        let digest = Digest::of(data);
        if !on_ledger.iter().any(|c| c.completion.task == *task && c.completion.output == digest) {
            flaws.push(format!("the output of {task} is not the one that was finalized"));
        }
        let right = expected.get(task).and_then(|value| canonical::digest(value).ok());
        if right != Some(digest) {
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
