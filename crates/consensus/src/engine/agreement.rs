//! Agreement: simplex over the archive's blocks, one engine per committee.

use super::{
    archive::{MAILBOX, one_second},
    spreading::{Seat, Spreading},
    witness::Witness,
};
use crate::{
    application::LedgerApplication,
    committees::{Committees, Known, Open},
    keys::EngineKey,
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
    },
    types::{Epoch, ViewDelta},
};
use commonware_cryptography::{Sha256, certificate::Scheme as _, sha256};
use commonware_p2p::{Blocker, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, buffer::paged::CacheRef};
use commonware_utils::NZUsize;
use std::time::Duration;

/// What every committee's engine is started with.
pub(super) struct Setup<B> {
    pub(super) partition: String,
    pub(super) committees: Committees,
    pub(super) times: Times,
    pub(super) cache: CacheRef,
    pub(super) witness: Witness,
    pub(super) blocker: B,
    pub(super) application: LedgerApplication,
    pub(super) chain: Chain,
}

/// Starts the engine of a committee, whose first block follows the block `floor`.
pub(super) fn start<E, B, S, R>(
    context: &E,
    setup: &Setup<B>,
    (known, floor): (&Known, sha256::Digest),
    [votes, certificates, resolver]: [(S, R); 3],
) -> Handle<()>
where
    E: Runtime,
    B: Blocker<PublicKey = EngineKey>,
    S: Sender<PublicKey = EngineKey>,
    R: Receiver<PublicKey = EngineKey>,
{
    let number = known.committee.number;
    let context = context.child("committee").with_attribute("number", number);
    let (application, chain) = (setup.application.clone(), setup.chain.clone());
    let epocher = Open(setup.committees.clone());
    let wrapped = Inline::new(context.child("application"), application, chain, epocher);
    let witness = setup.witness.of(number, known.participants.clone());
    let times = setup.times;
    // Dead leaders are skipped, and idle ones pass their turn, at once: room for both.
    let skips = IDLE_TURNS_MAX.saturating_add(known.committee.validators.len() as u64);
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::config::Config {
            scheme: (*known.scheme).clone(),
            elector: RoundRobin::<Sha256>::default(),
            blocker: setup.blocker.clone(),
            automaton: wrapped.clone(),
            relay: wrapped.clone(),
            reporter: Reporters::from((wrapped, witness)),
            // So that a second vote proves something however late it comes; what is kept is
            // bounded by the views that are retained.
            track_historical_votes: true,
            strategy: Sequential,
            partition: votes_partition(&setup.partition, number),
            mailbox_size: MAILBOX,
            epoch: Epoch::new(number),
            floor: Floor::Genesis(floor),
            replay_buffer: NZUsize!(256 * 1024),
            write_buffer: NZUsize!(16 * 1024),
            page_cache: setup.cache.clone(),
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
    let seat = Seat {
        index: known.scheme.me().map(|it| it.index().get()),
        validators: u32::try_from(known.participants.len()).unwrap_or(u32::MAX),
    };
    let (sender, receiver) = certificates;
    let sender = Spreading::new(&context, sender, seat);
    engine.start(votes, (sender, receiver), resolver)
}
