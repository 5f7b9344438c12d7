//! What contracts work on: the state of a block in the making.

use super::Proven;
use crate::{rules::Rules, store::Store};
use std::sync::Arc;
use trustmesh_policy::Policies;
use trustmesh_types::{
    NetworkId, PublicKey,
    events::Event,
    genesis::{Parameters, faults_tolerated},
};

/// The state of a block while it is executed.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The state.
    pub store: &'a mut Store,
    /// Height of the block.
    pub height: u64,
    /// Timestamp of the block.
    pub timestamp_ms: u64,
    /// The network.
    pub network: NetworkId,
    /// Its parameters.
    pub parameters: &'a Parameters,
    /// The rules of the version of the protocol that holds.
    pub rules: Rules,
    /// Its validators, sorted.
    pub validators: &'a [PublicKey],
    /// Signatures inside the block's payloads that are known to be good.
    pub proven: &'a Proven,
    /// What happened so far in the block.
    pub events: &'a mut Vec<Event>,
    /// Whether something changed in this block that could let a waiting request go on.
    pub touched: bool,
    /// The network's policies, once a plan of this block was judged by them; what changes
    /// them takes this away.
    pub policies: Option<Arc<Policies>>,
}

impl Draft<'_> {
    /// Faulty validators that the network tolerates (f).
    #[must_use]
    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.validators.len())
    }

    /// Whether a key is a validator's.
    #[must_use]
    pub fn is_validator(&self, key: &PublicKey) -> bool {
        self.validators.binary_search(key).is_ok()
    }

    /// Tells what happened.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }
}
