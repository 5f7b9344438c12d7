//! Judges a world by its final blocks, with small rules of its own: none of this reads what
//! the contracts keep, only transactions, receipts and events (PROTOCOL §8).
//!
//! - `chain`: one chain, the same for everybody (S2);
//! - `requests`: transitions, plans and who signed them, no fault, every request ends (S2,
//!   S3, S4, S9, L1);
//! - `reservations`: what plans hold on each node (S6);
//! - `transactions`: what a block may hold at all, and who may do what operators do;
//! - `charges`: whom the ledger charged with what;
//! - `results`: what devices got against what the ledger finalized and what one computes by
//!   hand (S7, S8).

mod chain;
mod charges;
mod requests;
mod reservations;
mod results;
mod transactions;

pub(crate) use chain::ChainView;
pub use charges::Charge;
pub(crate) use charges::charges;
use serde::Serialize;
use std::collections::BTreeSet;
use trustmesh_state::State;
use trustmesh_types::{PublicKey, genesis::Genesis};

use crate::world::Asked;

/// Something that must never happen did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The property of PROTOCOL §8 that is broken, as in `S3`.
    pub property: &'static str,
    /// What was seen.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(property: &'static str, what: impl Into<String>) -> Self {
        Self { property, what: what.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}

/// Everything that is wrong with a chain and with what devices got. `newest` is the state
/// that some node holds after the chain's last block; `evil` are the nodes that may be charged.
pub(crate) fn judge(
    genesis: &Genesis,
    chain: &ChainView,
    newest: Option<&State>,
    asked: &[Asked],
    evil: &BTreeSet<PublicKey>,
) -> Vec<Violation> {
    let mut violations = chain.check_links();
    violations.extend(transactions::check(genesis, chain));
    violations.extend(requests::check(genesis, chain, evil));
    violations.extend(reservations::check(genesis, chain, newest));
    violations.extend(results::check(genesis, chain, asked, evil));
    violations
}
