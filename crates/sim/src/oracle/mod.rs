//! Judges a world by its final blocks, with small rules of its own: none of this reads what
//! the contracts keep, only transactions, receipts and events (PROTOCOL §8).
//!
//! - `chain`: one chain, the same for everybody (S2);
//! - `requests`: transitions, plans and who signed them, no fault, every request ends (S2,
//!   S3, S4, S9, L1);
//! - `reservations`: what plans hold on each node (S6);
//! - `results`: what devices got against what the ledger finalized and what one computes by
//!   hand (S7, S8).

mod chain;
mod requests;
mod reservations;
mod results;

pub(crate) use chain::ChainView;
use serde::Serialize;
use trustmesh_state::State;
use trustmesh_types::genesis::Genesis;

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
/// that some node holds after the chain's last block.
pub(crate) fn judge(
    genesis: &Genesis,
    chain: &ChainView,
    newest: Option<&State>,
    asked: &[Asked],
) -> Vec<Violation> {
    let mut violations = chain.check_links();
    violations.extend(requests::check(genesis, chain));
    violations.extend(reservations::check(genesis, chain, newest));
    violations.extend(results::check(genesis, chain, asked));
    violations
}
