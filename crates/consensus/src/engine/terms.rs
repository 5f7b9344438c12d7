//! Which committee's engine runs: one at a time, from the block after the last one of the
//! committee before.
//!
//! The committees share the channels of agreement: a message begins with its committee's
//! number. Messages of a committee that is decided and has yet to begin wait until its engine
//! starts, so nobody has to begin at the same time. A message of a committee that this node
//! does not know yet says that it is behind: it asks whoever sent it for blocks.
//!
//! Invariants: how a committee begins is durable before its engine starts, and an engine of a
//! committee before the newest that has begun here is never started again; so its votes may
//! go, one committee later.

use super::{
    agreement::{self, Setup},
    transport::Transport,
};
use crate::{
    committees::{Committees, Term},
    keys::EngineKey,
    ledger::Chain,
    options::votes_partition,
    runtime::Runtime,
};
use commonware_consensus::types::Height;
use commonware_macros::select;
use commonware_p2p::{
    Message,
    utils::mux::{Builder as _, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_runtime::{Error as RuntimeError, Handle};
use commonware_utils::{
    channel::{mpsc, watch},
    vec::NonEmptyVec,
};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// Between two requests for blocks because others are ahead.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// Next heights that are asked for at once.
const ASK_HEIGHTS: u64 = 4;

type Ends<T> = (SubSender<<T as Transport>::Sender>, SubReceiver<EngineKey>);
/// A message of a committee without an engine here.
type Stray = (u64, Message<EngineKey>);

/// The channels of agreement, shared by the committees.
struct Shared<T: Transport> {
    handles: [MuxHandle<T::Sender>; 3],
    strays: [mpsc::Receiver<Stray>; 2],
    /// Ends of committees that have yet to begin.
    early: BTreeMap<u64, [Ends<T>; 3]>,
}

impl<T: Transport> Shared<T> {
    fn new<E: Runtime>(context: &E, channels: [(T::Sender, T::Receiver); 3]) -> Self {
        let [votes, certificates, resolver] = channels;
        let with_strays = |name: &'static str, (sender, receiver): (T::Sender, T::Receiver)| {
            let builder = Muxer::builder(context.child(name), sender, receiver).with_backup();
            let (muxer, handle, strays) = builder.build();
            muxer.start();
            (handle, strays)
        };
        let (votes, stray_votes) = with_strays("votes", votes);
        let (certificates, stray_certificates) = with_strays("certificates", certificates);
        let (muxer, resolver) = Muxer::new(context.child("resolver"), resolver.0, resolver.1);
        muxer.start();
        Self {
            handles: [votes, certificates, resolver],
            strays: [stray_votes, stray_certificates],
            early: BTreeMap::new(),
        }
    }

    /// Lets messages of a committee wait for its engine.
    async fn open(&mut self, number: u64) -> bool {
        if self.early.contains_key(&number) {
            return true;
        }
        let mut ends = Vec::with_capacity(3);
        for handle in &mut self.handles {
            let Ok(end) = handle.register(number).await else { return false };
            ends.push(end);
        }
        ends.try_into().is_ok_and(|ends| {
            self.early.insert(number, ends);
            true
        })
    }

    async fn stray(&mut self) -> Option<Stray> {
        let [votes, certificates] = &mut self.strays;
        select! {
            stray = votes.recv() => { stray },
            stray = certificates.recv() => { stray },
        }
    }
}

/// Asks those who are ahead for blocks.
struct Asking {
    committees: Committees,
    chain: Chain,
    height: watch::Receiver<u64>,
    again: SystemTime,
}

impl Asking {
    /// Heights to ask for: the next ones, and ends of epochs that are certain to be of known
    /// committees. Where a committee has ended, its last block has a certificate of its own.
    fn heights(&self, voting: u64) -> Vec<u64> {
        let height = *self.height.borrow();
        let next = self.committees.get(voting.saturating_add(1));
        let last = next.map(|it| it.committee.first_height.saturating_sub(1));
        let ends = [last, Some(self.committees.certain())];
        let mut heights: Vec<u64> =
            (height.saturating_add(1)..=height.saturating_add(ASK_HEIGHTS)).collect();
        heights.extend(ends.into_iter().flatten().filter(|it| *it > height));
        heights
    }

    fn ask<E: Runtime>(&mut self, context: &E, voting: u64, from: EngineKey) {
        let now = context.current();
        if now < self.again {
            return;
        }
        self.again = now + ASK_INTERVAL;
        for height in self.heights(voting) {
            self.chain.hint_finalized(Height::new(height), NonEmptyVec::new(from.clone()));
        }
    }
}

/// What the committees' engines run on.
pub(super) struct Terms<T: Transport> {
    pub(super) setup: Setup<T::Blocker>,
    pub(super) channels: [(T::Sender, T::Receiver); 3],
    pub(super) term: watch::Receiver<Term>,
    pub(super) height: watch::Receiver<u64>,
}

/// Runs the engine of the committee that votes, until one fails or the ledger ends.
pub(super) async fn run<E: Runtime, T: Transport>(context: E, terms: Terms<T>) {
    let Terms { setup, channels, mut term, height } = terms;
    let mut shared = Shared::<T>::new(&context, channels);
    let mut asking = Asking {
        committees: setup.committees.clone(),
        chain: setup.chain.clone(),
        height,
        again: SystemTime::UNIX_EPOCH,
    };
    loop {
        let now = *term.borrow_and_update();
        if !shared.open(now.voting).await {
            return;
        }
        let (Some(ends), Some(known)) =
            (shared.early.remove(&now.voting), setup.committees.get(now.voting))
        else {
            tracing::error!(committee = now.voting, "the committee that votes is unknown");
            return;
        };
        shared.early.retain(|number, _| *number > now.voting);
        tracing::info!(
            committee = now.voting,
            from_height = known.committee.first_height,
            validators = known.committee.validators.len(),
            "a committee votes"
        );
        let mut engine = agreement::start(&context, &setup, (&known, now.floor), ends);
        forget_votes(&context, &setup.partition, now.voting).await;
        if !stay(&context, now, &mut shared, &mut asking, &mut term, &mut engine).await {
            return;
        }
        engine.abort();
        // Only then is its storage closed.
        let _ = engine.await;
    }
}

/// Stays with a committee's engine until the next one votes; `false` when it has ended.
async fn stay<E: Runtime, T: Transport>(
    context: &E,
    now: Term,
    shared: &mut Shared<T>,
    asking: &mut Asking,
    term: &mut watch::Receiver<Term>,
    engine: &mut Handle<()>,
) -> bool {
    loop {
        let decided = term.borrow().decided;
        for number in now.voting.saturating_add(1)..decided {
            if !shared.open(number).await {
                return false;
            }
        }
        select! {
            _ = &mut *engine => {
                tracing::error!(committee = now.voting, "agreement has ended");
                return false;
            },
            changed = term.changed() => {
                if changed.is_err() {
                    return false;
                }
                if term.borrow().voting != now.voting {
                    return true;
                }
            },
            stray = shared.stray() => {
                let Some((number, (from, _))) = stray else { return false };
                if number > now.voting {
                    asking.ask(context, now.voting, from);
                }
            },
        }
    }
}

/// Removes the votes of the committee before the last one.
async fn forget_votes<E: Runtime>(context: &E, partition: &str, voting: u64) {
    let Some(old) = voting.checked_sub(2) else { return };
    match context.remove(&votes_partition(partition, old), None).await {
        Ok(()) | Err(RuntimeError::PartitionMissing(_)) => {}
        Err(error) => tracing::warn!(%error, "votes of an old committee can't be removed"),
    }
}
