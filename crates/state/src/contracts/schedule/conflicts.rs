//! Completions that contradict each other (PROTOCOL §4, Execution).
//!
//! Two different outputs signed by one node for one (request, designation, task) are its
//! fault, whatever else is true. An output that differs from what f+1 validators signed over
//! the same inputs is a fault when the application is declared deterministic and has been the
//! same since the plan was confirmed: one of the f+1 is honest. Workers that don't vote may all
//! be faulty (PROTOCOL §1), so their word charges nobody (S9); under version 1 of the protocol
//! it did. Else the difference is told.
//!
//! Each node is charged once for a task, and each difference is told once: `Differences`
//! remembers both until the request's record leaves the state.

use super::{evidence, lifecycle};
use crate::{
    contracts::{faults, values},
    machine::Draft,
    tables::{Apps, Differences},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, PublicKey, RequestId, TaskId,
    events::Event,
    evidence::SignedCompletion,
    faults::{Conflict, FaultEvidence},
    limits,
    records::{ActivePlan, RequestRecord},
    reject::{RejectCode, Rejection},
};

/// Takes completions that contradict each other.
///
/// # Errors
/// [`Rejection`] when the signer is no node, the request is unknown, a completion is of
/// something else or badly signed, or nothing new follows from them.
pub fn report_conflict(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    conflict: &Conflict,
) -> Result<(), Rejection> {
    values::node(draft, signer, "report contradictions")?;
    let record = lifecycle::load(draft, &conflict.request)?;
    check_form(draft, conflict)?;
    if let Some(pair) = two_by_one(draft, conflict) {
        return charge_two(draft, conflict, pair);
    }
    let plan = record.plan.as_ref().filter(|plan| plan.designation == conflict.designation);
    let Some(plan) = plan else {
        let reason = format!(
            "designation {} gave request {} not its last plan",
            conflict.designation, record.id
        );
        return Err(Rejection::new(RejectCode::NotCurrent, reason));
    };
    for completion in &conflict.completions {
        evidence::check_assigned(plan, &conflict.task, &completion.completion.node)?;
    }
    outvoted(draft, &record, plan, conflict)
}

fn no_conflict(conflict: &Conflict, why: &str) -> Rejection {
    let reason = format!(
        "the completions of task {} of request {} {why}",
        conflict.task,
        conflict.request.short()
    );
    Rejection::new(RejectCode::NoConflict, reason)
}

/// Every completion is of this task under this designation, by a node, and signed by it.
fn check_form(draft: &Draft<'_>, conflict: &Conflict) -> Result<(), Rejection> {
    if !(2..=limits::CONFLICT_COMPLETIONS_MAX).contains(&conflict.completions.len()) {
        return Err(no_conflict(conflict, "are too few or too many"));
    }
    for signed in &conflict.completions {
        let completion = &signed.completion;
        let about = (completion.request, completion.designation, &completion.task);
        if about != (conflict.request, conflict.designation, &conflict.task) {
            return Err(no_conflict(conflict, "are not all of it"));
        }
        values::node(draft, &completion.node, "complete tasks")?;
        if !draft.proven.check(&signed.claim(&draft.network)) {
            let node = completion.node.short();
            let reason = format!("node {node} did not sign its completion of {}", conflict.task);
            return Err(Rejection::new(RejectCode::BadSignature, reason));
        }
    }
    Ok(())
}

/// Two completions by one node with different outputs, of a node not yet charged for them.
fn two_by_one(draft: &Draft<'_>, conflict: &Conflict) -> Option<[SignedCompletion; 2]> {
    conflict.completions.iter().enumerate().find_map(|(at, first)| {
        let node = first.completion.node;
        let mut later = conflict.completions.iter().skip(at.saturating_add(1));
        let second = later.find(|other| {
            other.completion.node == node && other.completion.output != first.completion.output
        })?;
        (!is_known(draft, conflict, &node)).then(|| [first.clone(), second.clone()])
    })
}

fn charge_two(
    draft: &mut Draft<'_>,
    conflict: &Conflict,
    pair: [SignedCompletion; 2],
) -> Result<(), Rejection> {
    let [first, _] = &pair;
    let node = first.completion.node;
    remember(draft, conflict, &node);
    let reason = format!(
        "node {} signed two outputs of task {} of request {} under designation {}",
        node.short(),
        conflict.task,
        conflict.request.short(),
        conflict.designation
    );
    let rejection = Rejection::fault(RejectCode::TwoCompletions, reason);
    faults::charge(draft, &node, &rejection, FaultEvidence::Completions(pair.to_vec()));
    Ok(())
}

/// Those that signed another output than most others over the same inputs.
fn outvoted(
    draft: &mut Draft<'_>,
    record: &RequestRecord,
    plan: &ActivePlan,
    conflict: &Conflict,
) -> Result<(), Rejection> {
    let mut groups: BTreeMap<Digest, BTreeMap<PublicKey, &SignedCompletion>> = BTreeMap::new();
    for signed in &conflict.completions {
        let group = groups.entry(signed.completion.output).or_default();
        group.insert(signed.completion.node, signed);
    }
    let Some((winner, agreeing)) = groups.iter().max_by_key(|(_, group)| group.len()) else {
        return Err(no_conflict(conflict, "are none"));
    };
    let inputs = agreeing.values().next().map(|signed| &signed.completion.inputs);
    let differing: Vec<&SignedCompletion> = conflict
        .completions
        .iter()
        .filter(|signed| signed.completion.output != *winner)
        .filter(|signed| Some(&signed.completion.inputs) == inputs)
        .filter(|signed| !is_known(draft, conflict, &signed.completion.node))
        .collect();
    let same = |signed: &&&SignedCompletion| Some(&signed.completion.inputs) == inputs;
    let agreeing: Vec<SignedCompletion> =
        agreeing.values().filter(same).map(|signed| (*signed).clone()).collect();
    if differing.is_empty() {
        return Err(no_conflict(conflict, "agree, took different inputs, or are known to differ"));
    }
    for signed in &differing {
        remember(draft, conflict, &signed.completion.node);
    }
    let rules = draft.rules;
    let voting = |signed: &&SignedCompletion| {
        rules.any_node_outvotes || draft.is_validator(&signed.completion.node)
    };
    let vouching: Vec<SignedCompletion> = agreeing.iter().filter(voting).cloned().collect();
    if vouching.len() > draft.faults_tolerated() && is_deterministic(draft, record, plan, conflict)
    {
        for signed in differing {
            charge_outvoted(draft, conflict, signed, &vouching);
        }
    } else {
        draft.emit(Event::OutputsDiffer {
            request: conflict.request,
            task: conflict.task.clone(),
            agreeing: u32::try_from(agreeing.len()).unwrap_or(u32::MAX),
            differing: differing.iter().map(|signed| signed.completion.node).collect(),
        });
    }
    Ok(())
}

/// Whether equal inputs must have given equal outputs: the application says so, and every
/// replica ran the same one.
fn is_deterministic(
    draft: &Draft<'_>,
    record: &RequestRecord,
    plan: &ActivePlan,
    conflict: &Conflict,
) -> bool {
    let task = lifecycle::workflow(draft, record).ok();
    let app = task.and_then(|w| w.task(&conflict.task).map(|task| task.app.clone()));
    let app = app.and_then(|id| draft.store.get::<Apps>(&id));
    app.is_some_and(|app| app.manifest.deterministic && app.changed < plan.height)
}

fn charge_outvoted(
    draft: &mut Draft<'_>,
    conflict: &Conflict,
    wrong: &SignedCompletion,
    vouching: &[SignedCompletion],
) {
    let node = wrong.completion.node;
    let who = if draft.rules.any_node_outvotes { "others" } else { "validators" };
    let reason = format!(
        "node {} signed another output of task {} of request {} than {} {who} over the \
         same inputs, and the application is deterministic",
        node.short(),
        conflict.task,
        conflict.request.short(),
        vouching.len()
    );
    let rejection = Rejection::fault(RejectCode::WrongOutput, reason);
    let mut shown = vec![wrong.clone()];
    shown.extend(vouching.iter().take(draft.faults_tolerated().saturating_add(1)).cloned());
    faults::charge(draft, &node, &rejection, FaultEvidence::Completions(shown));
}

/// Names a difference in the state's table.
pub fn difference(
    request: &RequestId,
    designation: u32,
    task: &TaskId,
    node: &PublicKey,
) -> (RequestId, Digest) {
    let number = designation.to_be_bytes();
    let parts: [&[u8]; 3] = [&number, task.as_str().as_bytes(), &node.0];
    (*request, Digest::of_parts(&parts))
}

fn key(conflict: &Conflict, node: &PublicKey) -> (RequestId, Digest) {
    difference(&conflict.request, conflict.designation, &conflict.task, node)
}

fn is_known(draft: &Draft<'_>, conflict: &Conflict, node: &PublicKey) -> bool {
    draft.store.contains::<Differences>(&key(conflict, node))
}

fn remember(draft: &mut Draft<'_>, conflict: &Conflict, node: &PublicKey) {
    draft.store.put::<Differences>(&key(conflict, node), &());
}
