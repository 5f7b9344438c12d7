//! Agreement: simplex over the archive's blocks.

use super::{
    archive::{MAILBOX, epocher, one_second},
    transport::Transport,
    witness::Witness,
};
use crate::{
    application::LedgerApplication,
    ledger::Chain,
    limits::IDLE_TURNS_MAX,
    options::{Times, votes_partition},
    runtime::Runtime,
};
use commonware_consensus::{
    Reporters,
    marshal::standard::Inline,
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy},
        elector::RoundRobin,
        scheme::ed25519::Scheme,
    },
    types::{Epoch, ViewDelta},
};
use commonware_cryptography::{Sha256, certificate::Scheme as _, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, buffer::paged::CacheRef};
use commonware_utils::NZUsize;
use std::time::Duration;

/// What agreement is started with.
pub(super) struct Setup {
    pub(super) partition: String,
    pub(super) scheme: Scheme,
    pub(super) genesis: sha256::Digest,
    pub(super) times: Times,
    pub(super) cache: CacheRef,
    pub(super) witness: Witness,
}

/// Starts the engine's task.
pub(super) fn start<E: Runtime, T: Transport>(
    context: &E,
    setup: Setup,
    blocker: T::Blocker,
    [votes, certificates, resolver]: [(T::Sender, T::Receiver); 3],
    application: LedgerApplication,
    chain: Chain,
) -> Handle<()> {
    let Setup { partition, scheme, genesis, times, cache, witness } = setup;
    // Dead leaders are skipped, and idle ones pass their turn, at once: room for both.
    let skips = IDLE_TURNS_MAX.saturating_add(scheme.participants().len() as u64);
    let wrapped = Inline::new(context.child("application"), application, chain, epocher());
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::config::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker,
            automaton: wrapped.clone(),
            relay: wrapped.clone(),
            reporter: Reporters::from((wrapped, witness)),
            // So that a second vote proves something however late it comes; what is kept is
            // bounded by the views that are retained.
            track_historical_votes: true,
            strategy: Sequential,
            partition: votes_partition(&partition),
            mailbox_size: MAILBOX,
            epoch: Epoch::zero(),
            floor: Floor::Genesis(genesis),
            replay_buffer: NZUsize!(256 * 1024),
            write_buffer: NZUsize!(16 * 1024),
            page_cache: cache,
            leader_timeout: times.leader_timeout,
            certification_timeout: times.certification_timeout,
            timeout_retry: times.timeout_retry,
            view_retention: ViewDelta::new(32),
            skip: SkipPolicy::Enabled {
                timeout: times.skip_timeout,
                budget: SkipBudget::Fixed(skips),
            },
            fetch_timeout: one_second(),
            fetch_retry_delay: Duration::from_millis(100),
            forward: ForwardPolicy::SilentLeader,
        },
    );
    engine.start(votes, certificates, resolver)
}
