//! Completions that contradict each other (PROTOCOL §4, Execution): two outputs of one node,
//! or one that f+1 validators contradict where the application is deterministic.

use super::{Bundle, Declared};
use std::collections::BTreeSet;
use trustmesh_types::{
    Domain, NetworkId, PublicKey, TaskId, codec,
    committee::Committee,
    evidence::{Completion, SignedCompletion},
    genesis::{Genesis, faults_tolerated},
    reject::RejectCode,
};

/// Why completions charge nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoConflict {
    /// There are too few.
    #[error("{got} completions contradict nothing")]
    TooFew {
        /// How many there are.
        got: usize,
    },
    /// One is not signed by its node.
    #[error("node {} did not sign the completion that names it", node.short())]
    Signature {
        /// The node.
        node: PublicKey,
    },
    /// They are not of one task under one designation.
    #[error("the completions are not all of one task under one designation")]
    OtherTask,
    /// The first one is not the charged node's.
    #[error("the first completion is not of node {}, which is charged", node.short())]
    OtherNode {
        /// The node that is charged.
        node: PublicKey,
    },
    /// Nothing differs.
    #[error("the completions name the same output")]
    SameOutput,
    /// Those that contradict the first one are too few, or do not agree.
    #[error("{got} validators agree on another output over the same inputs, {needed} must")]
    TooFewOthers {
        /// How many.
        got: usize,
        /// How many must.
        needed: usize,
    },
    /// Nothing says that the application is deterministic.
    #[error("nothing shows that the application of task {task} is declared deterministic")]
    NotDeclared {
        /// The task.
        task: TaskId,
    },
}

/// Proves the fault that the completions show.
pub fn prove(
    bundle: &Bundle,
    (genesis, committee): (&Genesis, &Committee),
    all: &[SignedCompletion],
    proved: &mut Vec<String>,
) -> Result<(), NoConflict> {
    let node = bundle.fault.node;
    let Some((first, others)) = all.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(NoConflict::TooFew { got: all.len() });
    };
    check_form(&bundle.network, all)?;
    let first = &first.completion;
    if first.node != node {
        return Err(NoConflict::OtherNode { node });
    }
    proved.push(format!(
        "Node {node} signed output {} of task {} of request {} under designation {}.",
        first.output.short(),
        first.task,
        first.request.short(),
        first.designation
    ));
    let own = others.iter().find(|it| it.completion.node == node);
    match own {
        Some(other) if other.completion.output != first.output => {
            proved.push(format!(
                "The same node signed output {} for the same: one of the two is a lie.",
                other.completion.output.short()
            ));
            Ok(())
        }
        Some(_) => Err(NoConflict::SameOutput),
        None => outvoted(bundle, (genesis, committee), (first, others), proved),
    }
}

fn check_form(network: &NetworkId, all: &[SignedCompletion]) -> Result<(), NoConflict> {
    let about = |it: &Completion| (it.request, it.designation, it.task.clone());
    let mut abouts = all.iter().map(|signed| about(&signed.completion));
    let first = abouts.next();
    if abouts.any(|other| Some(other) != first) {
        return Err(NoConflict::OtherTask);
    }
    let unsigned = all.iter().find(|signed| signed.verify(network).is_err());
    unsigned.map_or(Ok(()), |it| Err(NoConflict::Signature { node: it.completion.node }))
}

/// At least f+1 validators agree on another output over the same inputs, and the application is
/// declared deterministic: one of them is honest, so the first output is wrong.
fn outvoted(
    bundle: &Bundle,
    (genesis, committee): (&Genesis, &Committee),
    (first, others): (&Completion, &[SignedCompletion]),
    proved: &mut Vec<String>,
) -> Result<(), NoConflict> {
    let output = others.first().map(|it| it.completion.output);
    if output == Some(first.output) {
        return Err(NoConflict::SameOutput);
    }
    let tolerated = faults_tolerated(committee.validators.len());
    let agrees = |it: &&Completion| {
        Some(it.output) == output && it.inputs == first.inputs && committee.contains(&it.node)
    };
    let agreeing: BTreeSet<PublicKey> =
        others.iter().map(|it| &it.completion).filter(agrees).map(|it| it.node).collect();
    let needed = tolerated.saturating_add(1);
    if agreeing.len() < needed {
        return Err(NoConflict::TooFewOthers { got: agreeing.len(), needed });
    }
    proved.push(format!(
        "{} validators signed output {} over the same inputs, and at most {tolerated} may lie.",
        agreeing.len(),
        output.map(|it| it.short()).unwrap_or_default()
    ));
    let declared = bundle.declared.as_ref().filter(|it| is_declared(it, bundle, genesis, first));
    let declared = declared.ok_or_else(|| NoConflict::NotDeclared { task: first.task.clone() })?;
    proved.push(format!(
        "Operator {} signed that application {} gives equal outputs for equal inputs.",
        declared.app.publisher, declared.app.manifest.id
    ));
    Ok(())
}

/// The task's application is signed as deterministic by a publisher of genesis.
fn is_declared(
    declared: &Declared,
    bundle: &Bundle,
    genesis: &Genesis,
    completion: &Completion,
) -> bool {
    let Declared { body, workflow, app } = declared;
    let runs = workflow.task(&completion.task).is_some_and(|it| it.app == app.manifest.id);
    let publisher = genesis.operators.iter().any(|it| it.publisher && it.key == app.publisher);
    let manifest = codec::encode(&app.manifest);
    let signed = app.publisher.verify(
        Domain::Artifact,
        &bundle.network,
        &manifest,
        &app.publisher_signature,
    );
    body.id() == completion.request
        && body.workflow == workflow.id
        && runs
        && publisher
        && app.manifest.deterministic
        && signed.is_ok()
        && bundle.fault.rejection.code == RejectCode::WrongOutput
}
