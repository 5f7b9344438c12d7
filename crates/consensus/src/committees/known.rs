//! The committees that this node knows, as the engine asks for them: which of them votes on a
//! height, and how its votes are checked (docs/membership.md). An epoch of the engine is one
//! committee's time.
//!
//! A committee is decided an epoch of heights before it begins, so what a node knows after
//! height h settles who votes up to the end of the epoch that follows that of h + 1. Further
//! up, only what agreement itself has checked says whose turn it is: [`Certain`] tells the
//! archive nothing there, so that it blames no peer for a change that this node has yet to
//! see; [`Open`] takes the newest committee to go on, and whoever judges a block looks at its
//! parent's state again.

use crate::keys::{self, BadKey, EngineKey};
use commonware_consensus::{
    simplex::scheme::ed25519::Scheme,
    types::{Epoch, EpochInfo, Epocher, Height},
};
use commonware_cryptography::certificate::{Provider, Scoped};
use commonware_utils::{ordered::Set, sync::Mutex};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use trustmesh_types::{NetworkId, SecretKey, committee::Committee};

/// Past every height.
const OPEN_END: u64 = u64::MAX / 2;

/// A committee and how it votes.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) committee: Committee,
    pub(crate) participants: Set<EngineKey>,
    pub(crate) scheme: Arc<Scheme>,
}

struct Shared {
    network: NetworkId,
    key: SecretKey,
    epoch_blocks: u64,
    /// The first committee in which this node may vote: it knows of every vote that it has
    /// cast there.
    votes_from: AtomicU64,
    /// The last height of which it is certain who votes.
    certain: AtomicU64,
    /// By number, without a gap.
    known: Mutex<Vec<Known>>,
}

/// See the module; clones are the same ones.
#[derive(Clone)]
pub(crate) struct Committees(Arc<Shared>);

impl Committees {
    /// Knows `committees`, which follow each other from the first one on. The node votes in
    /// those from `votes_from` on that it is of.
    pub(crate) fn new(
        network: NetworkId,
        key: SecretKey,
        epoch_blocks: u64,
        committees: Vec<Committee>,
        votes_from: u64,
    ) -> Result<Self, BadKey> {
        let shared = Shared {
            network,
            key,
            epoch_blocks: epoch_blocks.max(1),
            votes_from: AtomicU64::new(votes_from),
            certain: AtomicU64::new(OPEN_END),
            known: Mutex::new(Vec::new()),
        };
        let this = Self(Arc::new(shared));
        committees.into_iter().try_for_each(|committee| this.learn(committee))?;
        Ok(this)
    }

    /// Learns a committee, unless it is known.
    pub(crate) fn learn(&self, committee: Committee) -> Result<(), BadKey> {
        let mut known = self.0.known.lock();
        if committee.number != known.len() as u64 {
            return Ok(());
        }
        let participants = keys::participants(&committee.validators)?;
        let votes = committee.number >= self.0.votes_from.load(Ordering::Relaxed);
        let key = votes.then_some(&self.0.key);
        let scheme = Arc::new(keys::scheme(&self.0.network, participants.clone(), key));
        known.push(Known { committee, participants, scheme });
        Ok(())
    }

    /// The node votes from that committee on, which is not decided yet.
    pub(crate) fn vote_from(&self, number: u64) {
        self.0.votes_from.store(number, Ordering::Relaxed);
    }

    /// The first committee in which the node may vote.
    pub(crate) fn votes_from(&self) -> u64 {
        self.0.votes_from.load(Ordering::Relaxed)
    }

    /// The state after `height` is known: so is who votes for a while.
    pub(crate) fn advance(&self, height: u64) {
        let epoch = height.saturating_add(1) / self.0.epoch_blocks;
        let end = epoch.saturating_add(2).saturating_mul(self.0.epoch_blocks);
        self.0.certain.store(end.saturating_sub(1), Ordering::Relaxed);
    }

    /// The last height of which it is certain who votes.
    pub(crate) fn certain(&self) -> u64 {
        self.0.certain.load(Ordering::Relaxed)
    }

    /// How many are known.
    pub(crate) fn count(&self) -> u64 {
        self.0.known.lock().len() as u64
    }

    /// The committee of that number.
    pub(crate) fn get(&self, number: u64) -> Option<Known> {
        self.0.known.lock().get(usize::try_from(number).ok()?).cloned()
    }

    /// The committee that votes on `height`, as far as it is known.
    fn at(&self, height: u64) -> Option<u64> {
        let known = self.0.known.lock();
        let found = known.iter().rev().find(|it| it.committee.first_height <= height);
        found.map(|it| it.committee.number)
    }

    fn span(&self, number: u64) -> Option<(Height, Height)> {
        let first = self.get(number)?.committee.first_height;
        let next = self.get(number.saturating_add(1)).map(|it| it.committee.first_height);
        Some((Height::new(first), Height::new(next.map_or(OPEN_END, |it| it.saturating_sub(1)))))
    }

    fn info(&self, height: u64) -> Option<EpochInfo> {
        let number = self.at(height)?;
        let (first, last) = self.span(number)?;
        Some(EpochInfo::new(Epoch::new(number), Height::new(height), first, last))
    }
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.get(epoch.get()).map(|it| Scoped::scheme(it.scheme))
    }
}

/// For agreement: the newest committee goes on until another one is known.
#[derive(Clone)]
pub(crate) struct Open(pub(crate) Committees);

/// For the archive: says nothing where a change may lie that this node has yet to see.
#[derive(Clone)]
pub(crate) struct Certain(pub(crate) Committees);

impl Epocher for Open {
    fn containing(&self, height: Height) -> Option<EpochInfo> {
        self.0.info(height.get())
    }

    fn first(&self, epoch: Epoch) -> Option<Height> {
        self.0.span(epoch.get()).map(|(first, _)| first)
    }

    fn last(&self, epoch: Epoch) -> Option<Height> {
        self.0.span(epoch.get()).map(|(_, last)| last)
    }
}

impl Epocher for Certain {
    fn containing(&self, height: Height) -> Option<EpochInfo> {
        if height.get() > self.0.certain() { None } else { self.0.info(height.get()) }
    }

    fn first(&self, epoch: Epoch) -> Option<Height> {
        Open(self.0.clone()).first(epoch)
    }

    fn last(&self, epoch: Epoch) -> Option<Height> {
        Open(self.0.clone()).last(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::Digest;

    fn committee(number: u64, first_height: u64) -> Committee {
        let mut validators: Vec<_> =
            (1..5).map(|n| SecretKey::from_seed([n; 32]).public()).collect();
        validators.sort_unstable();
        Committee { number, first_height, validators }
    }

    fn known() -> Committees {
        let network = NetworkId(Digest([7; 32]));
        let key = SecretKey::from_seed([1; 32]);
        Committees::new(network, key, 64, vec![committee(0, 0)], 0).unwrap()
    }

    fn epoch(of: &impl Epocher, height: u64) -> Option<(u64, u64)> {
        let info = of.containing(Height::new(height))?;
        Some((info.epoch().get(), info.last().get()))
    }

    #[test]
    fn a_committee_goes_on_until_the_next_one_is_known() {
        let known = known();
        let open = Open(known.clone());
        assert_eq!(epoch(&open, 1_000), Some((0, OPEN_END)));
        known.learn(committee(1, 192)).unwrap();
        assert_eq!(epoch(&open, 191), Some((0, 191)));
        assert_eq!(epoch(&open, 192), Some((1, OPEN_END)));
        assert_eq!(open.last(Epoch::new(0)), Some(Height::new(191)));
        assert_eq!(open.first(Epoch::new(2)), None);
    }

    #[test]
    fn what_is_not_settled_yet_is_not_said() {
        let known = known();
        let certain = Certain(known.clone());
        for (height, last) in [(0, 127), (62, 127), (63, 191), (64, 191), (127, 255)] {
            known.advance(height);
            assert_eq!(epoch(&certain, last), Some((0, OPEN_END)), "after {height}");
            assert_eq!(epoch(&certain, last + 1), None, "after {height}");
        }
    }

    #[test]
    fn a_committee_is_learned_once_and_in_order() {
        let known = known();
        known.learn(committee(2, 256)).unwrap();
        assert_eq!(known.count(), 1);
        known.learn(committee(1, 128)).unwrap();
        known.learn(committee(1, 192)).unwrap();
        assert_eq!(known.get(1).map(|it| it.committee.first_height), Some(128));
    }

    #[test]
    fn a_node_that_lost_its_votes_only_watches_until_its_turn() {
        let network = NetworkId(Digest([7; 32]));
        let key = SecretKey::from_seed([1; 32]);
        let all = vec![committee(0, 0), committee(1, 128)];
        let known = Committees::new(network, key, 64, all, 1).unwrap();
        let votes = |number| {
            use commonware_cryptography::certificate::Scheme as _;
            known.get(number).unwrap().scheme.me().is_some()
        };
        assert!(!votes(0));
        assert!(votes(1));
    }
}
