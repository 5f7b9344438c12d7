//! What the state holds, table by table (PROTOCOL §3). Tags are part of every root and
//! proof: never change one, never use one again.
//!
//! [`well_formed`] lists every table, so that entries that come from a file are checked
//! before anything reads them.

use crate::store::{Table, TableKey};
use borsh::{BorshDeserialize, BorshSerialize};
use trustmesh_types::{
    AppId, Digest, NetworkId, PolicyId, PublicKey, RequestId, TxId, WorkflowId,
    committee::Committee,
    faults::FaultRecord,
    genesis::Parameters,
    protocol::ProtocolRecord,
    records::{
        AppCondition, AppRecord, Member, NodeLoad, PolicyRecord, RequestRecord, WorkflowRecord,
    },
    votes::Round,
};

/// The block that the state is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MetaRecord {
    /// Its height.
    pub height: u64,
    /// Its timestamp.
    pub timestamp_ms: u64,
}

/// What genesis settled, and operators changed since.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SettingsRecord {
    /// The network.
    pub network: NetworkId,
    /// Its parameters.
    pub parameters: Parameters,
    /// Who votes on the next block.
    pub committee: Committee,
    /// Who votes later, as far as it is decided; the next one first.
    pub decided: Vec<Committee>,
    /// Whether another committee is wanted than the newest one decided.
    pub waiting: bool,
    /// Whether it is wanted even if it is the same.
    pub renewal: bool,
}

impl SettingsRecord {
    /// Whether a key votes, or will when a committee that is decided begins.
    #[must_use]
    pub fn votes_or_will(&self, key: &PublicKey) -> bool {
        self.committee.contains(key) || self.decided.iter().any(|it| it.contains(key))
    }
}

/// When something fires, and what: in order of (due time, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadlineKey {
    /// Block time in Unix milliseconds.
    pub due_ms: u64,
    /// What fires: one of [`deadline`].
    pub kind: u8,
    /// The request or node that it is about.
    pub id: [u8; 32],
}

impl TableKey for DeadlineKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.due_ms.to_be_bytes());
        out.push(self.kind);
        out.extend_from_slice(&self.id);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        let (due_ms, rest) = bytes.split_at_checked(8)?;
        let (kind, id) = rest.split_first()?;
        Some(Self { due_ms: u64::read(due_ms)?, kind: *kind, id: id.try_into().ok()? })
    }
}

/// Kinds of deadlines.
pub mod deadline {
    /// The designated node has not planned.
    pub const GENERATION: u8 = 1;
    /// The active plan is overdue.
    pub const EXECUTION: u8 = 2;
    /// The request has not ended by its own deadline.
    pub const REQUEST: u8 = 3;
    /// The record of an ended request leaves the state.
    pub const RETENTION: u8 = 4;
    /// A node's snapshot outlived its time to live.
    pub const SNAPSHOT: u8 = 5;
    /// A pass over the waiting requests goes on: wakes the leader, nothing else.
    pub const RETRY: u8 = 6;
    /// A fault of a node no longer counts.
    pub const FAULT: u8 = 7;
    /// The request has waited too long without a designee.
    pub const QUEUEING: u8 = 8;
}

/// Whom a designation of a request named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DesignationRecord {
    /// The node.
    pub node: PublicKey,
    /// Height of the block that designated it.
    pub height: u64,
}

/// Since when a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WaitingRecord {
    /// Height of the block from which it waits.
    pub since_height: u64,
    /// The state of this height, at least, was seen by every node that was designated in
    /// vain: only a later change can help.
    pub seen_height: u64,
}

/// What is remembered for good of a node that had a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct OffenderRecord {
    /// Its faults so far; the number of the last one.
    pub faults: u32,
    /// The newest committee and view whose conflicting votes it was charged for.
    pub voted: Option<Round>,
}

/// A pass over the waiting requests, oldest first, block by block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RetryRecord {
    /// Height of the last change that could help.
    pub changed_height: u64,
    /// Height at which this pass began; a later change needs another one.
    pub began_height: u64,
    /// The last request that this pass has dealt with.
    pub after: Option<(u64, RequestId)>,
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $tag:literal: $key:ty => $value:ty;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl Table for $name {
                const TAG: u8 = $tag;
                const NAME: &'static str = stringify!($name);
                type Key = $key;
                type Value = $value;
            }
        )+

        /// Whether these bytes are an entry of a table.
        #[must_use]
        pub fn well_formed(key: &[u8], value: &[u8]) -> bool {
            let Some((tag, key)) = key.split_first() else { return false };
            match *tag {
                $($tag => is_entry::<$name>(key, value),)+
                _ => false,
            }
        }
    };
}

/// Keys have one form only, so one that reads is the one that was written.
fn is_entry<T: Table>(key: &[u8], value: &[u8]) -> bool {
    T::Key::read(key).is_some() && borsh::from_slice::<T::Value>(value).is_ok()
}

tables! {
    /// The block that the state is of.
    Meta = 1: () => MetaRecord;
    /// What genesis settled, and operators changed since.
    Settings = 2: () => SettingsRecord;
    /// Operators, nodes and devices.
    Members = 3: PublicKey => Member;
    /// Snapshots, reservations and misses of nodes.
    Loads = 4: PublicKey => NodeLoad;
    /// Applications.
    Apps = 5: AppId => AppRecord;
    /// Workflows.
    Workflows = 6: WorkflowId => WorkflowRecord;
    /// Requests, until their retention ends.
    Requests = 7: RequestId => RequestRecord;
    /// What fires at a time; the value is a designation's number or zero.
    Deadlines = 8: DeadlineKey => u32;
    /// Requests without a designee, by the height that accepted them.
    Waiting = 9: (u64, RequestId) => WaitingRecord;
    /// Transactions that still could be replayed, by the last height they are valid at.
    Seen = 10: (u64, TxId) => ();
    /// Whom the last designations of a request named, while the request is kept.
    Designations = 11: (RequestId, u32) => DesignationRecord;
    /// Requests that a node shall plan now.
    Designated = 12: (PublicKey, RequestId) => ();
    /// How far a change that could help has been tried on the waiting requests.
    Retry = 13: () => RetryRecord;
    /// Faults that count, or did until an operator pardoned them.
    Faults = 14: (PublicKey, u32) => FaultRecord;
    /// Nodes that ever had a fault.
    Offenders = 15: PublicKey => OffenderRecord;
    /// Nodes whose completions of a task were reported to differ, while the request is kept.
    Differences = 16: (RequestId, Digest) => ();
    /// Every committee there was, is, or is decided.
    Committees = 17: u64 => Committee;
    /// The epoch in which a node last said that it is ready to vote.
    Readiness = 18: PublicKey => u64;
    /// Which version of the rules holds when.
    Protocol = 19: () => ProtocolRecord;
    /// Network-defined rules.
    Policies = 20: PolicyId => PolicyRecord;
    /// What nodes say of their copies of applications.
    AppConditions = 21: (AppId, PublicKey) => AppCondition;
}
