//! How fast each signer's transactions may become final, and how much each peer may gossip
//! (PROTOCOL §9, flood).
//!
//! A signer is charged for what stands in final blocks, wherever it was brought in: all nodes
//! count the same, and a member does not get more by going through all of them. What of it
//! waits here counts as used already. A peer is charged for what it sends, and deeply for a
//! bad signature: an honest node gossips only what it has checked.

use super::mempool::{Held, PoolError};
use crate::{
    limits::{
        NODE_RATE_FACTOR, PEER_GOSSIP_KIB_PER_SECOND, RATED_PEERS_MAX, RATED_SIGNERS_MAX,
        SIGNER_BURST_DIVISOR, SIGNER_TRANSACTIONS_PER_SECOND, SIGNER_UNIT_BYTES,
    },
    rates::Rates,
};
use trustmesh_state::State;
use trustmesh_types::{PublicKey, limits::TRANSACTION_BYTES_MAX, records::Member};

/// Units of the longest transaction.
const LONGEST_UNITS: u32 = (TRANSACTION_BYTES_MAX / SIGNER_UNIT_BYTES) as u32;

/// Rates of signers and peers.
pub(super) struct Allowances {
    signers: Rates<PublicKey>,
    peers: Rates<PublicKey>,
}

impl Default for Allowances {
    fn default() -> Self {
        let peers = PEER_GOSSIP_KIB_PER_SECOND;
        Self {
            signers: signers(SIGNER_TRANSACTIONS_PER_SECOND),
            peers: Rates::new(peers, 2 * peers, RATED_PEERS_MAX),
        }
    }
}

fn signers(per_second: u32) -> Rates<PublicKey> {
    let burst = (per_second / SIGNER_BURST_DIVISOR).max(LONGEST_UNITS);
    let units = |transactions: u32| transactions.saturating_mul(NODE_RATE_FACTOR);
    Rates::new(units(per_second), units(burst), RATED_SIGNERS_MAX)
}

/// What a transaction costs its signer: a node, which signs for many, pays less.
fn cost(state: &State, signer: &PublicKey, units: u64) -> u64 {
    match state.member(signer) {
        Some(Member::Node { .. }) => units,
        _ => units.saturating_mul(u64::from(NODE_RATE_FACTOR)),
    }
}

/// Units of a transaction of that encoded length.
pub(super) const fn units(bytes: usize) -> u64 {
    bytes.div_ceil(SIGNER_UNIT_BYTES) as u64
}

impl Allowances {
    /// Starts to count anew, by another rate.
    pub(super) fn limit_signers(&mut self, per_second: u32) {
        self.signers = signers(per_second);
    }

    /// Whether a signer, of whom `held` waits, may bring `units` more.
    pub(super) fn check(
        &self,
        state: &State,
        signer: &PublicKey,
        held: &Held,
        units: u64,
        now_ms: u64,
    ) -> Result<(), PoolError> {
        let needed = cost(state, signer, held.units().saturating_add(units));
        let left = self.signers.left(signer, now_ms);
        match needed.checked_sub(left) {
            None | Some(0) => Ok(()),
            // What waits is paid when it becomes final; the rest must fill up first.
            Some(missing) => {
                let wait_ms = self.signers.fill_ms(missing);
                Err(PoolError::SignerRate { signer: *signer, wait_ms })
            }
        }
    }

    /// A transaction of a signer became final.
    pub(super) fn charge(&mut self, state: &State, signer: PublicKey, bytes: usize, now_ms: u64) {
        self.signers.charge(signer, cost(state, &signer, units(bytes)), now_ms);
    }

    /// Whether a peer may gossip more now.
    pub(super) fn hears(&self, peer: &PublicKey, now_ms: u64) -> bool {
        self.peers.left(peer, now_ms) > 0
    }

    /// A peer gossiped so many bytes.
    pub(super) fn heard(&mut self, peer: PublicKey, bytes: usize, now_ms: u64) {
        self.peers.charge(peer, bytes.div_ceil(1_024) as u64, now_ms);
    }

    /// A peer gossiped what no honest node does: it is not heard for as long as a debt lasts.
    pub(super) fn distrust(&mut self, peer: PublicKey, now_ms: u64) {
        self.peers.charge(peer, u64::MAX, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn parts() -> (State, PublicKey, PublicKey) {
        let genesis = testing::genesis(4);
        let state = State::genesis(&genesis).unwrap();
        (state, testing::operator().public(), testing::validator(0).public())
    }

    /// Transactions that a signer may bring at a moment.
    fn admitted(allowances: &Allowances, state: &State, signer: &PublicKey, now_ms: u64) -> u64 {
        let nothing = Held::default();
        (1..).find(|n| allowances.check(state, signer, &nothing, *n, now_ms).is_err()).unwrap() - 1
    }

    #[test]
    fn a_signer_is_held_to_what_becomes_final_and_a_node_gets_more() {
        let (state, operator, node) = parts();
        let mut allowances = Allowances::default();
        allowances.limit_signers(1_000);
        assert_eq!(admitted(&allowances, &state, &operator, NOW_MS), 500);
        assert_eq!(admitted(&allowances, &state, &node, NOW_MS), 2_000);
        for _ in 0..500 {
            allowances.charge(&state, operator, 200, NOW_MS);
        }
        let refused = allowances.check(&state, &operator, &Held::default(), 1, NOW_MS);
        assert_eq!(refused, Err(PoolError::SignerRate { signer: operator, wait_ms: 1 }));
        let refused = allowances.check(&state, &operator, &Held::default(), 5, NOW_MS);
        assert_eq!(refused, Err(PoolError::SignerRate { signer: operator, wait_ms: 5 }));
        assert_eq!(admitted(&allowances, &state, &operator, NOW_MS + 100), 100);
        assert_eq!(admitted(&allowances, &state, &node, NOW_MS), 2_000, "another is not concerned");
    }

    #[test]
    fn a_long_transaction_counts_as_many_and_is_taken_at_any_rate() {
        let (state, operator, _) = parts();
        let mut allowances = Allowances::default();
        allowances.limit_signers(1);
        assert_eq!(admitted(&allowances, &state, &operator, NOW_MS), units(TRANSACTION_BYTES_MAX));
        allowances.charge(&state, operator, 100 * SIGNER_UNIT_BYTES, NOW_MS);
        assert_eq!(admitted(&allowances, &state, &operator, NOW_MS), 28);
    }

    #[test]
    fn blocks_of_long_ago_count_for_nothing() {
        let (state, operator, _) = parts();
        let mut allowances = Allowances::default();
        for n in 0..10_000 {
            allowances.charge(&state, operator, 200, NOW_MS - 60_000 + n);
        }
        assert_eq!(admitted(&allowances, &state, &operator, NOW_MS), 250);
    }

    #[test]
    fn a_peer_that_sends_too_much_or_rubbish_is_not_heard_for_a_while() {
        let mut allowances = Allowances::default();
        let (busy, bad) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let mut heard = 0;
        while allowances.hears(&busy, NOW_MS) {
            allowances.heard(busy, 512 * 1_024, NOW_MS);
            heard += 1;
        }
        assert_eq!(heard, 64, "two seconds of 16 MiB");
        assert!(allowances.hears(&busy, NOW_MS + 100));
        allowances.distrust(bad, NOW_MS);
        assert!(!allowances.hears(&bad, NOW_MS + 9_000));
        assert!(allowances.hears(&bad, NOW_MS + 13_000));
    }
}
