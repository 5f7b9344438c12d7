//! What a block may hold at all (PROTOCOL §2), and who may do what operators do (§3), by small
//! rules of the oracle's own. Broken, they would let in transitions that §4 does not know (S4).

use super::{Violation, chain::Final};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{NetworkId, Payload, PublicKey, SignedTransaction, TxId, genesis::Genesis};

/// Who may transact, by genesis and what operators did since.
#[derive(Debug)]
pub(super) struct Law {
    network: NetworkId,
    nodes: BTreeSet<PublicKey>,
    /// Operators, and whether each may publish.
    operators: BTreeMap<PublicKey, bool>,
    devices: BTreeSet<PublicKey>,
    seen: BTreeSet<TxId>,
    signer_max: u32,
}

fn broken(height: u64, tx: &SignedTransaction, what: &str) -> Result<(), Violation> {
    let signer = tx.transaction.signer.short();
    let kind = tx.transaction.payload.kind();
    let what = format!("block {height} holds {kind} of {signer}, which {what}");
    Err(Violation::new("S4", what))
}

impl Law {
    pub(super) fn new(genesis: &Genesis) -> Self {
        Self {
            network: genesis.network_id(),
            nodes: genesis.nodes.iter().map(|node| node.key).collect(),
            operators: genesis.operators.iter().map(|op| (op.key, op.publisher)).collect(),
            devices: BTreeSet::new(),
            seen: BTreeSet::new(),
            signer_max: genesis.parameters.signer_transactions_per_block_max,
        }
    }

    /// Judges the next block.
    pub(super) fn block(&mut self, block: &Final) -> Result<(), Violation> {
        let height = block.block.header.height;
        let mut counts: BTreeMap<PublicKey, u32> = BTreeMap::new();
        for tx in &block.block.transactions {
            let signer = tx.transaction.signer;
            let member = self.nodes.contains(&signer)
                || self.operators.contains_key(&signer)
                || self.devices.contains(&signer);
            let count = counts.entry(signer).or_default();
            *count = count.saturating_add(1);
            let flaws = [
                (*count > self.signer_max, "is one too many of its signer"),
                (!self.seen.insert(tx.id()), "was on the ledger before"),
                (tx.transaction.network != self.network, "is for another network"),
                (tx.transaction.valid_until_height < height, "has expired"),
                (!member, "is by no member"),
                (tx.verify().is_err(), "its signer did not sign"),
            ];
            if let Some((_, what)) = flaws.into_iter().find(|(flawed, _)| *flawed) {
                return broken(height, tx, what);
            }
        }
        block.applied().try_for_each(|tx| self.applied(height, tx))
    }

    fn applied(&mut self, height: u64, tx: &SignedTransaction) -> Result<(), Violation> {
        let signer = tx.transaction.signer;
        let operator = self.operators.contains_key(&signer);
        let publisher = self.operators.get(&signer) == Some(&true);
        let may = match &tx.transaction.payload {
            Payload::RegisterDevice { device, .. } => {
                self.devices.insert(*device);
                operator
            }
            Payload::RevokeDevice { device } => {
                self.devices.remove(device);
                operator
            }
            Payload::AdmitNode(info) => {
                self.nodes.insert(info.key);
                operator
            }
            Payload::SetParameters(change) => {
                self.signer_max = change.parameters.signer_transactions_per_block_max;
                operator
            }
            Payload::CreateWorkflow(_)
            | Payload::RetireWorkflow { .. }
            | Payload::SetPolicy(_)
            | Payload::RemovePolicy { .. }
            | Payload::LiftQuarantine { .. }
            | Payload::RemoveNode { .. }
            | Payload::ReplaceNode { .. }
            | Payload::ChangeNode(_)
            | Payload::QuarantineNode { .. } => operator,
            Payload::DeployApp(_) | Payload::SetAppState { .. } => publisher,
            Payload::Ready
            | Payload::ReportResources(_)
            | Payload::SubmitRequest(_)
            | Payload::ConfirmSchedule(_)
            | Payload::DeclineSchedule(_)
            | Payload::ReportFailure(_)
            | Payload::RecordProgress(_)
            | Payload::Finalize(_)
            | Payload::ReportConflict(_)
            | Payload::ReportVotes(_) => self.nodes.contains(&signer),
            _ => true,
        };
        if may { Ok(()) } else { broken(height, tx, "its signer may not do") }
    }
}
