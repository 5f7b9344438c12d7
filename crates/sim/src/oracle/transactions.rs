//! What a block may hold at all (PROTOCOL §2), and who may do what operators do (§3), by small
//! rules of the oracle's own. Broken, they would let in transitions that §4 does not know (S4).

use super::{
    Violation,
    chain::{ChainView, Final},
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{NetworkId, Payload, PublicKey, SignedTransaction, TxId, genesis::Genesis};

/// Who may transact, by genesis and what operators did since.
struct Book {
    network: NetworkId,
    nodes: BTreeSet<PublicKey>,
    /// Operators, and whether each may publish.
    operators: BTreeMap<PublicKey, bool>,
    devices: BTreeSet<PublicKey>,
    seen: BTreeSet<TxId>,
    violations: Vec<Violation>,
}

/// Checks a chain.
pub(super) fn check(genesis: &Genesis, chain: &ChainView) -> Vec<Violation> {
    let mut book = Book {
        network: genesis.network_id(),
        nodes: genesis.nodes.iter().map(|node| node.key).collect(),
        operators: genesis.operators.iter().map(|op| (op.key, op.publisher)).collect(),
        devices: BTreeSet::new(),
        seen: BTreeSet::new(),
        violations: Vec::new(),
    };
    for block in chain.blocks() {
        book.block(block, genesis.parameters.signer_transactions_per_block_max);
    }
    book.violations
}

impl Book {
    fn complain(&mut self, height: u64, tx: &SignedTransaction, what: &str) {
        let signer = tx.transaction.signer.short();
        let kind = tx.transaction.payload.kind();
        let what = format!("block {height} holds {kind} of {signer}, which {what}");
        self.violations.push(Violation::new("S4", what));
    }

    fn block(&mut self, block: &Final, signer_max: u32) {
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
                (*count > signer_max, "is one too many of its signer"),
                (!self.seen.insert(tx.id()), "was on the ledger before"),
                (tx.transaction.network != self.network, "is for another network"),
                (tx.transaction.valid_until_height < height, "has expired"),
                (!member, "is by no member"),
            ];
            for what in flaws.into_iter().filter(|(flawed, _)| *flawed).map(|(_, what)| what) {
                self.complain(height, tx, what);
            }
        }
        self.signatures(block);
        for tx in block.applied() {
            self.applied(height, tx);
        }
    }

    fn signatures(&mut self, block: &Final) {
        let transactions = &block.block.transactions;
        for tx in transactions.iter().filter(|tx| tx.verify().is_err()) {
            self.complain(block.block.header.height, tx, "its signer did not sign");
        }
    }

    fn applied(&mut self, height: u64, tx: &SignedTransaction) {
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
            Payload::CreateWorkflow(_) | Payload::RetireWorkflow { .. } => operator,
            Payload::DeployApp(_) | Payload::SetAppState { .. } => publisher,
            Payload::ReportResources(_)
            | Payload::SubmitRequest(_)
            | Payload::ConfirmSchedule(_)
            | Payload::DeclineSchedule(_)
            | Payload::ReportFailure(_)
            | Payload::RecordProgress(_)
            | Payload::Finalize(_) => self.nodes.contains(&signer),
            _ => true,
        };
        if !may {
            self.complain(height, tx, "its signer may not do");
        }
    }
}
