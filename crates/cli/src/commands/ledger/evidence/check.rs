//! Checks evidence by the genesis alone.
//!
//! Invariant: a sentence stands among what is proved only when it follows from signatures of
//! keys that genesis names, or of the node that is charged.

use super::{
    Bundle,
    block::{NotShown, Shown},
    completions::{self, NoConflict},
};
use crate::commands::ledger::finality::{Finality, committee_at};
use serde::Serialize;
use trustmesh_state::{NotFollowing, follow_handovers};
use trustmesh_types::{
    NetworkId, Payload, PublicKey, TxId,
    committee::Committee,
    evidence::SignedCompletion,
    faults::FaultEvidence,
    genesis::Genesis,
    receipt::Outcome,
    reject::RejectCode,
    votes::{self, ConflictingVotes},
};

/// What came of checking a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The node that is charged.
    pub node: PublicKey,
    /// Which rule.
    pub code: RejectCode,
    /// Whether all holds.
    pub holds: bool,
    /// What is proved, a sentence each.
    pub proved: Vec<String>,
    /// The first thing that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// Why a file proves no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is of another network.
    #[error("it is of network {}, the genesis given makes network {}", got.short(), expected.short())]
    OtherNetwork {
        /// Whose it is.
        got: NetworkId,
        /// The genesis'.
        expected: NetworkId,
    },
    /// The committees do not follow each other.
    #[error(transparent)]
    Committees(#[from] NotFollowing),
    /// The block does not show it.
    #[error(transparent)]
    Block(#[from] NotShown),
    /// The votes prove nothing.
    #[error(transparent)]
    Votes(#[from] votes::NoConflict),
    /// The votes are somebody else's, or of no validator.
    #[error("the votes are of {}, not of validator {}, which is charged", voter.short(), node.short())]
    OtherVoter {
        /// Whose they are.
        voter: PublicKey,
        /// The node that is charged.
        node: PublicKey,
    },
    /// The block is not the one that the fault names.
    #[error("the fault is said to stand in another block: height and time are {got}, not {said}")]
    OtherBlock {
        /// The block's.
        got: String,
        /// The fault's.
        said: String,
    },
    /// The transaction is another one, or by somebody else.
    #[error("transaction {} is not the one that the fault names, or not signed by node {}", id.short(), node.short())]
    OtherTransaction {
        /// The transaction in the file.
        id: TxId,
        /// The node.
        node: PublicKey,
    },
    /// The ledger did not refuse it so.
    #[error("the ledger did not refuse transaction {} as the fault says", id.short())]
    OtherOutcome {
        /// The transaction.
        id: TxId,
    },
    /// The block's transaction is no accepted report of these completions.
    #[error("transaction {} is no report of these completions that the ledger applied", id.short())]
    NoReport {
        /// The transaction.
        id: TxId,
    },
    /// The completions do not contradict each other.
    #[error(transparent)]
    Completions(#[from] NoConflict),
}

/// Checks a file by a genesis. `entropy` is secret randomness for batches of signatures.
pub fn check(bundle: &Bundle, genesis: &Genesis, entropy: [u8; 32]) -> Verdict {
    let mut proved = Vec::new();
    let broken = prove(bundle, genesis, entropy, &mut proved).err().map(|it| it.to_string());
    Verdict {
        node: bundle.fault.node,
        code: bundle.fault.rejection.code,
        holds: broken.is_none(),
        proved,
        broken,
    }
}

fn prove(
    bundle: &Bundle,
    genesis: &Genesis,
    entropy: [u8; 32],
    proved: &mut Vec<String>,
) -> Result<(), Broken> {
    let network = genesis.network_id();
    if bundle.network != network {
        return Err(Broken::OtherNetwork { got: bundle.network, expected: network });
    }
    let committees = follow_handovers(genesis, &bundle.handovers)?;
    let mut finality = Finality::new(network, entropy);
    let shown = bundle.block.check(&network, &committees, &mut finality)?;
    same_block(bundle, &shown)?;
    let header = &shown.block.header;
    let committee = committee_at(&committees, header.height)
        .ok_or(Broken::Block(NotShown::Header { height: header.height }))?;
    let who = match committee.number {
        0 => "the validators that genesis names".to_owned(),
        number => format!("committee {number}, to which genesis leads by handovers,"),
    };
    proved.push(format!(
        "Block {} ({}) is final: a quorum of {who} signed for it.",
        header.height,
        header.digest().short()
    ));
    match &bundle.fault.evidence {
        FaultEvidence::Transaction(id) => refused(bundle, &shown, id, proved),
        FaultEvidence::Completions(all) => {
            reported(bundle, &shown, all, proved)?;
            Ok(completions::prove(bundle, (genesis, committee), all, proved)?)
        }
        FaultEvidence::Votes(all) => contradicted(bundle, &committees, all, proved),
    }
}

/// A validator signed two votes of one view that no honest validator signs both.
fn contradicted(
    bundle: &Bundle,
    committees: &[Committee],
    votes: &ConflictingVotes,
    proved: &mut Vec<String>,
) -> Result<(), Broken> {
    let node = bundle.fault.node;
    let committee = committees.iter().find(|it| it.number == votes.committee);
    if votes.voter != node || !committee.is_some_and(|it| it.contains(&node)) {
        return Err(Broken::OtherVoter { voter: votes.voter, node });
    }
    votes.verify(&bundle.network)?;
    proved.push(format!(
        "Validator {node} signed two votes of view {} of committee {} that contradict each other.",
        votes.view, votes.committee
    ));
    Ok(())
}

fn same_block(bundle: &Bundle, shown: &Shown) -> Result<(), Broken> {
    let (header, fault) = (&shown.block.header, &bundle.fault);
    if (header.height, header.timestamp_ms) == (fault.height, fault.at_ms) {
        return Ok(());
    }
    Err(Broken::OtherBlock {
        got: format!("{} and {} ms", header.height, header.timestamp_ms),
        said: format!("{} and {} ms", fault.height, fault.at_ms),
    })
}

/// A transaction that the ledger refused, and charged its signer for.
fn refused(
    bundle: &Bundle,
    shown: &Shown,
    named: &TxId,
    proved: &mut Vec<String>,
) -> Result<(), Broken> {
    let (id, node) = (shown.id, bundle.fault.node);
    let transaction = &bundle.block.transaction.transaction;
    if id != *named || transaction.signer != node {
        return Err(Broken::OtherTransaction { id, node });
    }
    proved.push(format!(
        "Node {node} signed transaction {id} ({}), which stands in that block.",
        transaction.payload.kind()
    ));
    match &shown.outcome {
        Outcome::Rejected(rejection) if rejection.fault && *rejection == bundle.fault.rejection => {
            proved.push(format!(
                "The validators executed it and refused it as a fault ({}): {}.",
                rejection.code,
                rejection.reason.trim_end_matches('.')
            ));
            Ok(())
        }
        _ => Err(Broken::OtherOutcome { id }),
    }
}

/// The validators accepted a report of the completions, so they are of nodes of the network
/// that the plan assigned.
fn reported(
    bundle: &Bundle,
    shown: &Shown,
    all: &[SignedCompletion],
    proved: &mut Vec<String>,
) -> Result<(), Broken> {
    let transaction = &bundle.block.transaction.transaction;
    let holds_all = match &transaction.payload {
        Payload::ReportConflict(conflict) => all.iter().all(|it| conflict.completions.contains(it)),
        _ => false,
    };
    if !holds_all || shown.outcome != Outcome::Applied {
        return Err(Broken::NoReport { id: shown.id });
    }
    proved.push(format!(
        "Node {} reported the completions in transaction {}, and the validators accepted it.",
        transaction.signer, shown.id
    ));
    Ok(())
}
