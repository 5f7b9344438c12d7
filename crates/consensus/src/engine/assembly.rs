//! One node's ledger, assembled in the order in which its parts need each other.
//!
//! The archive comes up first, then the state is recovered from snapshot and archive, then
//! delivery goes on from there, and only then does the node vote.

use super::{
    agreement, archive, network_marker,
    transport::{Network, Transport},
    witness::Witness,
};
use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    conduct::Conduct,
    error::StartError,
    handle::{Handle, Parts, Streams},
    kept::Kept,
    keys,
    ledger::{Delivery, Ledger, Observer, RecoveryError, Snapshots, recover},
    limits::{
        FINALIZED_QUEUE_MAX, INTAKE_GROUPS_MAX, MESSAGES_QUEUE_MAX, MISBEHAVIOUR_QUEUE_MAX,
        OUTBOX_QUEUE_MAX,
    },
    options::{Options, Times},
    pool::{self, Arrival, Pool},
    runtime::Runtime,
    wire::{self, Outgoing},
};
use commonware_cryptography::Digestible as _;
use commonware_runtime::Handle as Task;
use commonware_utils::channel::{mpsc, watch};
use std::sync::{Arc, atomic::AtomicU64};
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
    let Options { genesis, key, partition, delivered_height, clock } = options;
    genesis.validate()?;
    let (id, validators, me) = (genesis.network_id(), genesis.validators(), key.public());
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
        view: Arc::new(AtomicU64::new(0)),
        conduct,
    };
    let view = Arc::clone(&application.view);
    let participants = keys::participants(&validators)?;
    let scheme = keys::scheme(&id, participants.clone(), &key);
    let cache = archive::page_cache();
    let Network { peers, blocker, channels } = network;
    let [votes, certificates, resolver, spread, fetches, transactions, messages] = channels;

    let setup = archive::Setup {
        partition: partition.clone(),
        me: keys::engine_public(&me)?,
        scheme: scheme.clone(),
        genesis: genesis_block,
        cache: cache.clone(),
    };
    let links = (peers, blocker.clone());
    let archive =
        archive::start::<E, T>(&context, setup, links, [spread, fetches], application.clone())
            .await
            .map_err(|e| storage("the archive of blocks", e))?;

    let floor = Arc::new(AtomicU64::new(0));
    let snapshots = Snapshots {
        partition: format!("{partition}-snapshots"),
        network: id,
        floor: floor.clone(),
    };
    snapshots.find_floor(&context).await.map_err(|e| storage("a snapshot", e.to_string()))?;
    let from = delivered_height.unwrap_or(u64::MAX).min(archive.processed);
    let start = (genesis_digest, genesis_state);
    let (tip, state) = recover(&context, &archive.chain, &snapshots, start, from)
        .await
        .map_err(|e| recovery_error(e, directory.clone()))?;
    ledger.reset(tip, state.clone());

    let (finalized, finalized_out) = mpsc::channel(FINALIZED_QUEUE_MAX);
    let (tell_height, height) = watch::channel(state.height());
    let (tell_joined, joined) = watch::channel(state.height());
    let observer = Observer { height: tell_height, joined: tell_joined };
    let delivery = Delivery {
        ledger: ledger.clone(),
        pool: pool.clone(),
        snapshots: snapshots.clone(),
        chain: archive.chain.clone(),
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
    let witness = Witness { network: id, validators: participants, out: proofs };
    let genesis = genesis_digest;
    let setup = agreement::Setup { partition, scheme, genesis, times, cache, witness };
    let voting = [votes, certificates, resolver];
    let chain = archive.chain.clone();
    let agreement = agreement::start::<E, T>(&context, setup, blocker, voting, application, chain);

    let metrics = context.child("metrics");
    let handle = Handle::new(Parts {
        me,
        validators,
        ledger: ledger.clone(),
        pool,
        intake: wires.intake,
        outbox: wires.outbox,
        chain: archive.chain,
        kept: Kept::new(archive.oldest, floor),
        view,
        height,
        joined,
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
