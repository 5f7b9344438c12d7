//! One node's ledger, assembled in the order in which its parts need each other.
//!
//! What is known of the committees comes first, then the archive, then the state is recovered
//! from snapshot and archive, then delivery goes on from there, and only then does the node
//! vote.

use super::{
    agreement, archive, floor, network_marker,
    terms::{self, Terms},
    transport::{Network, Transport},
    witness::Witness,
};
use crate::{
    acquaintances::Acquaintances,
    application::LedgerApplication,
    block::LedgerBlock,
    committees::{Awaited, CommitteeStore, Committees, Handovers, Past, Succession, Term},
    conduct::Conduct,
    error::StartError,
    handle::{Handle, Parts, Streams},
    kept::Kept,
    keys,
    ledger::{Chain, Delivery, Ledger, Observer, RecoveryError, Snapshots, recover, stored},
    limits::{
        FINALIZED_QUEUE_MAX, INTAKE_GROUPS_MAX, MESSAGES_QUEUE_MAX, MISBEHAVIOUR_QUEUE_MAX,
        OUTBOX_QUEUE_MAX,
    },
    options::{Options, Times},
    pool::{self, Arrival, Pool},
    runtime::Runtime,
    wire::{self, Outgoing},
};
use commonware_consensus::marshal::Start;
use commonware_cryptography::{Digested, Digestible as _, sha256};
use commonware_runtime::Handle as Task;
use commonware_utils::{
    channel::{mpsc, watch},
    sync::Mutex,
};
use std::sync::Arc;
use trustmesh_state::State;
use trustmesh_types::{PublicKey, message::Message};

/// A running ledger.
pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) streams: Streams,
    pub(super) ledger: Ledger,
    pub(super) snapshots: Snapshots,
    /// Tasks without which the ledger can't go on.
    pub(super) vital: Vec<Task<()>>,
}

/// How a ledger is asked to end and tells that it has.
pub(super) struct Ends {
    pub(super) stop: watch::Sender<bool>,
    pub(super) stopped: watch::Receiver<bool>,
}

/// Starts everything as children of `context`. `directory` is for error messages.
pub(super) async fn assemble<E: Runtime, T: Transport>(
    mut context: E,
    options: Options,
    network: Network<T>,
    directory: String,
    (ends, conduct): (Ends, Option<Arc<dyn Conduct>>),
) -> Result<Running, StartError> {
    let Options { genesis, key, partition, delivered_height, clock, votes_unknown, snapshot } =
        options;
    genesis.validate()?;
    let (id, me) = (genesis.network_id(), key.public());
    let genesis_state = State::genesis(&genesis)?;
    let genesis_block = LedgerBlock::new(genesis.block(genesis_state.root()));
    let genesis_digest = genesis_block.digest();

    let storage =
        |what, reason: String| StartError::Storage { what, directory: directory.clone(), reason };
    let found = network_marker::claim(&context, &partition, id)
        .await
        .map_err(|e| storage("the network's id", e.to_string()))?;
    if found != id {
        return Err(StartError::WrongNetwork { directory, found, expected: id });
    }

    let store = CommitteeStore::new(&partition);
    let snapshots = Snapshots::new(&partition, id);
    let lowest_kept = Arc::clone(&snapshots.floor);
    if let Some(snapshot) = snapshot {
        let trusted = snapshot.trust(&mut context, &genesis)?;
        floor::install(&context, &store, &snapshots, &trusted, &snapshot)
            .await
            .map_err(|e| storage("a snapshot", e.to_string()))?;
    }
    let past = known_committees(&context, &store, votes_unknown)
        .await
        .map_err(|e| storage("what is known of the committees", e.to_string()))?;
    let epoch_blocks = genesis.parameters.epoch_blocks;
    let mut all = vec![genesis_state.committee().clone()];
    all.extend(past.committees.iter().cloned());
    let floor = floor::of(&genesis, &all, past.floor.as_ref());
    let committees = Committees::new(id, key, epoch_blocks, all, past.votes_from.unwrap_or(0))?;

    let mut entropy = [0; 32];
    context.fill_bytes(&mut entropy);
    let pool = Pool::default();
    let ledger = Ledger::new(genesis_digest, genesis_state.clone());
    let (final_blocks, blocks) = mpsc::unbounded_channel();
    let times = Times::of(&genesis.parameters);
    let application = LedgerApplication {
        ledger: ledger.clone(),
        pool: pool.clone(),
        me,
        idle_interval: times.idle_interval,
        clock,
        entropy,
        finalized: final_blocks,
        tip: Arc::default(),
        conduct,
    };
    let known = Arc::clone(&application.tip);
    let cache = archive::page_cache();
    let Network { peers, blocker, channels } = network;
    let [votes, certificates, resolver, spread, fetches, transactions, messages] = channels;

    let setup = archive::Setup {
        partition: partition.clone(),
        me: keys::engine_public(&me)?,
        committees: committees.clone(),
        epoch_blocks,
        start: match &floor {
            Some(floor) => Start::Floor(floor.finalization.clone()),
            None => Start::Genesis(Digested::precomputed(genesis_block, genesis_digest)),
        },
        cache: cache.clone(),
    };
    let links = (peers, blocker.clone());
    let archive =
        archive::start::<E, T>(&context, setup, links, [spread, fetches], application.clone())
            .await
            .map_err(|e| storage("the archive of blocks", e))?;

    snapshots.find_floor(&context).await.map_err(|e| storage("a snapshot", e.to_string()))?;
    let from = delivered_height.unwrap_or(u64::MAX).min(archive.processed);
    let start = (genesis_digest, genesis_state);
    // The archive has yet to fetch the block that the node goes on from.
    let ahead = floor.filter(|it| it.block.number() > archive.processed);
    let recovered = match ahead {
        Some(floor) => floor::recover(&context, &snapshots, &floor).await,
        None => recover(&context, &archive.chain, &snapshots, start, from).await,
    };
    let (tip, state) = recovered.map_err(|e| recovery_error(e, directory.clone()))?;
    ledger.reset(tip, state.clone());
    committees.advance(state.height());
    let first = first_term(&archive.chain, &past, genesis_digest, (tip, &state)).await.ok_or_else(
        || StartError::Damaged {
            directory: directory.clone(),
            height: state.committee().first_height,
            reason: "the block before the committee's first one is missing".to_owned(),
        },
    )?;
    let (tell_term, term) = watch::channel(Term { decided: committees.count(), ..first });
    let handovers: Handovers = Arc::new(Mutex::new(past.handovers));
    let awaited = Awaited::default();
    let succession = Succession {
        committees: committees.clone(),
        store,
        chain: archive.chain.clone(),
        handovers: Arc::clone(&handovers),
        awaited: Arc::clone(&awaited),
        term: tell_term,
    };

    let (finalized, finalized_out) = mpsc::channel(FINALIZED_QUEUE_MAX);
    let (tell_height, height) = watch::channel(state.height());
    let (tell_members, members) = watch::channel(state.height());
    let observer = Observer { height: tell_height, members: tell_members };
    let delivery = Delivery {
        ledger: ledger.clone(),
        pool: pool.clone(),
        snapshots: snapshots.clone(),
        chain: archive.chain.clone(),
        succession,
        finalized,
        observer,
        gate: archive.gate,
        last_snapshot: (state.height(), state.timestamp_ms()),
    };
    let archived = archive.processed;
    let delivery = context
        .child("delivery")
        .spawn(move |context| delivery.run(context, tip, archived, blocks));

    let wires = start_wires::<E, T>(&context, &pool, &ledger, entropy, [transactions, messages]);
    let (proofs, misbehaviour) = mpsc::channel(MISBEHAVIOUR_QUEUE_MAX);
    let setup = agreement::Setup {
        partition,
        committees: committees.clone(),
        times,
        cache,
        witness: Witness::new(id, proofs),
        blocker,
        application,
        chain: archive.chain.clone(),
    };
    let channels = [votes, certificates, resolver];
    let terms = Terms::<T> { setup, channels, term: term.clone(), height: height.clone() };
    let agreement =
        context.child("agreement").spawn(move |context| terms::run::<E, T>(context, terms));

    let metrics = context.child("metrics");
    let handle = Handle::new(Parts {
        me,
        committees,
        handovers,
        awaited,
        ledger: ledger.clone(),
        pool,
        intake: wires.intake,
        outbox: wires.outbox,
        chain: archive.chain,
        kept: Kept::new(archive.oldest, lowest_kept),
        tip: known,
        height,
        members,
        acquaintances: Acquaintances::default(),
        metrics: Box::new(move || metrics.encode()),
        stop: ends.stop,
        stopped: ends.stopped,
    });
    let (finalized, messages) = (finalized_out, wires.messages);
    let streams = Streams { state, finalized, messages, misbehaviour };
    Ok(Running {
        handle,
        streams,
        ledger,
        snapshots,
        vital: vec![archive.task, delivery, agreement],
    })
}

/// What is kept of the committees. A node that does not know all its votes notes that first.
async fn known_committees<E: Runtime>(
    context: &E,
    store: &CommitteeStore,
    votes_unknown: bool,
) -> Result<Past, commonware_runtime::Error> {
    let mut past = store.load(context).await?;
    if votes_unknown && past.votes_from.is_none() {
        store.votes_from(context, u64::MAX).await?;
        past.votes_from = Some(u64::MAX);
    }
    Ok(past)
}

/// The committee to go on with, and the last block before its first one. An engine of a
/// committee before the newest that has begun here must not run again.
async fn first_term(
    chain: &Chain,
    past: &Past,
    genesis: sha256::Digest,
    (tip, state): (sha256::Digest, &State),
) -> Option<Term> {
    let committee = state.committee();
    let voting = committee.number.max(past.begun());
    let floor = match (voting, past.handovers.get(&voting)) {
        (0, _) => genesis,
        (_, Some(handover)) => sha256::Digest(handover.header.digest().0),
        (_, None) if committee.first_height == state.height().saturating_add(1) => tip,
        (_, None) => stored(chain, committee.first_height.checked_sub(1)?).await?.digest(),
    };
    Some(Term { voting, floor, decided: 0 })
}

fn recovery_error(error: RecoveryError, directory: String) -> StartError {
    match error {
        RecoveryError::Storage(reason) => {
            StartError::Storage { what: "a snapshot", directory, reason: reason.to_string() }
        }
        RecoveryError::Block { height, reason } => {
            StartError::Damaged { directory, height, reason }
        }
    }
}

/// The ends of the tasks that carry transactions and messages.
struct Wires {
    intake: mpsc::Sender<Arrival>,
    outbox: mpsc::Sender<Outgoing>,
    messages: mpsc::Receiver<(PublicKey, Message)>,
}

fn start_wires<E: Runtime, T: Transport>(
    context: &E,
    pool: &Pool,
    ledger: &Ledger,
    entropy: [u8; 32],
    [transactions, messages]: [(T::Sender, T::Receiver); 2],
) -> Wires {
    let (gossip, gossip_queue) = mpsc::channel(OUTBOX_QUEUE_MAX);
    let (intake, arrivals) = mpsc::channel(INTAKE_GROUPS_MAX);
    let (outbox, outbox_queue) = mpsc::channel(OUTBOX_QUEUE_MAX);
    let (consumer, received) = mpsc::channel(MESSAGES_QUEUE_MAX);

    let (network, from_network) = transactions;
    context
        .child("gossip_out")
        .spawn(move |context| wire::send_transactions(context, network, gossip_queue));
    let (to_intake, shares) = (intake.clone(), pool.clone());
    context
        .child("gossip_in")
        .spawn(move |context| wire::receive_transactions(context, from_network, shares, to_intake));
    let (again, waiting) = (gossip.clone(), pool.clone());
    context.child("regossip").spawn(move |context| wire::regossip(context, waiting, again));
    let (pool, ledger) = (pool.clone(), ledger.clone());
    context
        .child("intake")
        .spawn(move |context| pool::run_intake(context, pool, ledger, gossip, entropy, arrivals));

    let (network, from_network) = messages;
    context
        .child("messages_out")
        .spawn(move |context| wire::send_messages(context, network, outbox_queue));
    context
        .child("messages_in")
        .spawn(move |context| wire::receive_messages(context, from_network, consumer));
    Wires { intake, outbox, messages: received }
}
