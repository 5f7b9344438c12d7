//! What handlers share.

use super::{
    answers::Answers,
    limits::{RateLimits, network_of},
    refusal::Refusal,
    shares::{Share, Shares},
    snapshot::Held,
};
use crate::{
    apps::Apps, clock, config, driver::Control, feed::Feed, history::History, mailbox::Mailbox,
    pruning::Headers, stop::Stop,
};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trustmesh_api::{ErrorCode, Problem, Ready, limits};
use trustmesh_consensus::{Handle, limits::IDLE_BLOCK_TIME_MAX};
use trustmesh_data::Store;
use trustmesh_types::{NetworkId, PublicKey, genesis::Genesis};

/// Blocks that the history may be behind the ledger on a node that follows.
const HISTORY_LAG_BLOCKS_MAX: u64 = 16;
/// Leaders' turns without a block after which a node no longer counts as following.
const SILENT_TURNS_MAX: u64 = 4;
/// Bytes of one permit of the budget for bodies.
const BODY_UNIT_BYTES: usize = 64 * 1024;
/// Bytes of bodies being read or handled at once: chunks of artifacts and some requests.
const BODIES_BYTES_MAX: usize = 8 * limits::CHUNKS_BODY_BYTES_MAX + 32 * 1024 * 1024;
/// Bytes of JSON bodies of one address that are read or handled at once.
const ADDRESS_BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// One address may hold so many parts of all places to watch from.
const ADDRESS_WATCHERS_DIVISOR: u32 = 4;
/// Requests of one device that are on their way to the ledger through this node at once: they
/// are not counted on the ledger yet, and a device may go through all nodes.
const DEVICE_REQUESTS_AT_ONCE: u32 = 2;

/// The node behind the API.
#[derive(Clone)]
pub(crate) struct App {
    /// The network's genesis.
    pub(crate) genesis: Arc<Genesis>,
    /// Its id.
    pub(crate) network: NetworkId,
    /// This node's key.
    pub(crate) node: PublicKey,
    /// The ledger.
    pub(crate) consensus: Handle,
    /// The agent.
    pub(crate) control: Control,
    /// Sealed results.
    pub(crate) mailbox: Mailbox,
    /// What happened.
    pub(crate) history: History,
    /// Headers of all blocks.
    pub(crate) headers: Headers,
    /// What happens.
    pub(crate) feed: Feed,
    /// For its figures.
    pub(crate) store: Store,
    /// Applications.
    pub(crate) apps: Apps,
    /// Bounds.
    pub(crate) limits: config::HttpLimits,
    /// Rates of members.
    pub(crate) admission: config::Admission,
    /// When to end.
    pub(crate) stop: Stop,
}

/// The node, and the counts that the API keeps within its bounds.
pub(super) struct Http {
    pub(super) app: App,
    pub(super) rates: RateLimits,
    pub(super) answers: Answers,
    pub(super) snapshots: Held,
    /// Whether the node has followed the chain since it started.
    caught_up: AtomicBool,
    polls: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    address_watchers: Shares<IpAddr>,
    address_bodies: Shares<IpAddr>,
    devices: Shares<PublicKey>,
}

/// A place to watch from, and its address' share of them.
pub(super) struct WatchPlace {
    _place: OwnedSemaphorePermit,
    _share: Share<IpAddr>,
}

/// As handlers take it.
pub(super) type Shared = Arc<Http>;

impl App {
    /// Whether the node follows the chain, as far as it can tell: leaders make a block when
    /// the last one is [`IDLE_BLOCK_TIME_MAX`] old, so that and the silence of several turns
    /// mean that this node is behind, or that there is no quorum.
    pub(crate) fn ready(&self) -> Ready {
        let status = self.consensus.status();
        let silent_ms = clock::now_ms().saturating_sub(status.timestamp_ms);
        let turns_ms = self.genesis.parameters.leader_timeout_ms * SILENT_TURNS_MAX;
        let idle_ms = u64::try_from(IDLE_BLOCK_TIME_MAX.as_millis()).unwrap_or(u64::MAX);
        let patience_ms = turns_ms.saturating_add(idle_ms);
        let recorded = self.history.height();
        let reason = if self.stop.is_requested() {
            Some("the node is stopping".to_owned())
        } else if status.height == 0 {
            Some("no block is final yet: it needs a quorum of validators".to_owned())
        } else if silent_ms > patience_ms {
            Some(format!("the newest block is {silent_ms} ms old: catching up, or no quorum"))
        } else if recorded.saturating_add(HISTORY_LAG_BLOCKS_MAX) < status.tip {
            Some(format!("at block {recorded} of {}", status.tip))
        } else {
            None
        };
        Ready { ready: reason.is_none(), height: status.height, reason }
    }
}

impl Http {
    pub(super) fn new(app: App) -> Self {
        let rates = RateLimits::new(&app.limits, &app.admission);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self {
            rates,
            answers: Answers::default(),
            snapshots: Held::default(),
            caught_up: AtomicBool::new(false),
            polls: semaphore(app.limits.long_polls_max),
            watchers: semaphore(app.limits.watchers_max),
            bodies: Arc::new(Semaphore::new(BODIES_BYTES_MAX / BODY_UNIT_BYTES)),
            address_watchers: Shares::new(app.limits.watchers_max / ADDRESS_WATCHERS_DIVISOR),
            address_bodies: Shares::new(units(ADDRESS_BODIES_BYTES_MAX)),
            devices: Shares::new(DEVICE_REQUESTS_AT_ONCE),
            app,
        }
    }

    /// Whether the node may answer questions about the ledger and take work: it has followed
    /// the chain since it started. One that lost touch later goes on with what it has.
    pub(super) fn serves(&self) -> Result<(), Refusal> {
        // A network without a block yet has nothing to catch up with, and needs a first
        // transaction; a node whose data is new can't tell that from one that it has lost.
        let consensus = &self.app.consensus;
        let begins = consensus.status().height == 0 && !consensus.votes_unknown();
        if begins || self.caught_up.load(Ordering::Acquire) {
            return Ok(());
        }
        let ready = self.app.ready();
        match ready.reason {
            None => {
                self.caught_up.store(true, Ordering::Release);
                Ok(())
            }
            Some(why) => {
                let detail = format!("this node serves nothing until it has caught up ({why})");
                Err(Refusal::new(ErrorCode::Unavailable, detail))
            }
        }
    }

    /// A place to wait in.
    pub(super) fn poll(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let full = "too many long polls wait on this node: try another one";
        place(&self.polls, 1, full)
    }

    /// A place for an address to watch from.
    pub(super) fn watch(&self, address: IpAddr) -> Result<WatchPlace, Refusal> {
        let full = "too many watchers of events on this node: try another one";
        let share = self.address_watchers.take(network_of(address), 1);
        let share = share.ok_or_else(|| busy(full))?;
        Ok(WatchPlace { _place: place(&self.watchers, 1, full)?, _share: share })
    }

    /// Room for a body of `bytes`.
    pub(super) fn body(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let full = "this node is reading too many bodies: try again in a moment";
        place(&self.bodies, units(bytes), full)
    }

    /// An address' share of the room for bodies.
    pub(super) fn address_body(
        &self,
        address: IpAddr,
        bytes: usize,
    ) -> Result<Share<IpAddr>, Refusal> {
        let full = "this node is reading too many bodies from this address: try again in a moment";
        self.address_bodies.take(network_of(address), units(bytes)).ok_or_else(|| busy(full))
    }

    /// A device's place among the requests on their way to the ledger.
    pub(super) fn device(&self, device: PublicKey) -> Result<Share<PublicKey>, Refusal> {
        let full = "too many requests of this device are on their way to the ledger here: come \
                    back in a moment";
        self.devices.take(device, 1).ok_or_else(|| busy(full))
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BODY_UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

fn busy(full: &'static str) -> Refusal {
    Problem::rate_limited(full, 1_000).into()
}

fn place(
    places: &Arc<Semaphore>,
    count: u32,
    full: &'static str,
) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(places).try_acquire_many_owned(count).map_err(|_| busy(full))
}
