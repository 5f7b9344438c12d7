//! Faults and parameters through the API: who was charged with what, and by which parameters
//! the network runs (PROTOCOL §4).

use serde::{Deserialize, Serialize};
use trustmesh_types::{
    Digest, PublicKey, codec, faults::FaultRecord, genesis::Parameters, receipt::Receipt,
};

/// A fault: its record, and whether it still counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// Its record on the ledger.
    #[serde(flatten)]
    pub record: FaultRecord,
    /// Whether it counts towards a quarantine: neither expired nor pardoned.
    pub counts: bool,
}

/// Asks for a page of faults, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultQuery {
    /// At most this many entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<PublicKey>,
    /// Only the one of this number among its node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

/// What became of each transaction of a block: the leaves of its header's receipts root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockReceipts {
    /// The block's height.
    pub height: u64,
    /// One per transaction, in order.
    pub receipts: Vec<Receipt>,
}

/// The network's parameters as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParametersView {
    /// The parameters.
    pub parameters: Parameters,
    /// Digest of their encoding: what a change of them names as what it replaces.
    pub digest: Digest,
}

impl FaultView {
    /// Shows a fault at a block time. One that has left the state no longer counts.
    #[must_use]
    pub const fn new(record: FaultRecord, now_ms: u64, in_state: bool) -> Self {
        let counts = in_state && !record.pardoned && now_ms < record.until_ms;
        Self { record, counts }
    }
}

impl FaultQuery {
    /// Whether a fault belongs to the list.
    #[must_use]
    pub fn takes(&self, fault: &FaultRecord) -> bool {
        self.node.is_none_or(|node| node == fault.node)
            && self.number.is_none_or(|number| number == fault.number)
    }
}

impl ParametersView {
    /// Shows parameters.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        Self { digest: Digest::of(&codec::encode(parameters)), parameters: parameters.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{
        TxId,
        faults::FaultEvidence,
        reject::{RejectCode, Rejection},
    };

    fn fault(pardoned: bool) -> FaultRecord {
        FaultRecord {
            node: PublicKey([1; 32]),
            number: 2,
            height: 3,
            at_ms: 10,
            until_ms: 20,
            rejection: Rejection::fault(RejectCode::NotDesignated, "why"),
            evidence: FaultEvidence::Transaction(TxId(Digest([4; 32]))),
            pardoned,
        }
    }

    #[test]
    fn a_fault_counts_until_it_expires_is_pardoned_or_leaves_the_state() {
        for (pardoned, now_ms, in_state, counts) in [
            (false, 19, true, true),
            (false, 20, true, false),
            (true, 19, true, false),
            (false, 19, false, false),
        ] {
            let view = FaultView::new(fault(pardoned), now_ms, in_state);
            assert_eq!(view.counts, counts, "{pardoned} {now_ms} {in_state}");
        }
    }

    #[test]
    fn a_fault_reads_as_it_is_written() {
        let view = FaultView::new(fault(false), 11, true);
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["evidence"]["kind"], "transaction", "{json}");
        assert_eq!(json["rejection"]["code"], "not_designated", "{json}");
        assert_eq!(serde_json::from_value::<FaultView>(json).unwrap(), view);
    }

    #[test]
    fn a_filter_takes_one_node_s_faults() {
        let other = Some(PublicKey([9; 32]));
        assert!(FaultQuery::default().takes(&fault(false)));
        assert!(!FaultQuery { node: other, ..FaultQuery::default() }.takes(&fault(false)));
        assert!(!FaultQuery { number: Some(1), ..FaultQuery::default() }.takes(&fault(false)));
        let this =
            FaultQuery { number: Some(2), node: Some(PublicKey([1; 32])), ..FaultQuery::default() };
        assert!(this.takes(&fault(false)));
    }
}
