//! Every bound of this crate, in one place. Units are in the names.
//!
//! What crosses nodes is bounded by [`trustmesh_types::limits`] instead.

use commonware_utils::NZU64;
use std::{num::NonZeroU64, time::Duration};

/// Most transactions that wait in the mempool.
pub const POOL_TRANSACTIONS_MAX: usize = 32_768;
/// Most bytes of transactions that wait in the mempool.
pub const POOL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most transactions of one signer that wait in the mempool: a sixteenth of it.
pub const POOL_SIGNER_TRANSACTIONS_MAX: usize = POOL_TRANSACTIONS_MAX / 16;
/// Most bytes of transactions of one signer that wait in the mempool: an eighth of it.
pub const POOL_SIGNER_BYTES_MAX: usize = POOL_BYTES_MAX / 8;
/// Transactions of one device or operator that become final per second, over the whole
/// network, before a node takes no more of it; a node's configuration may say otherwise.
pub const SIGNER_TRANSACTIONS_PER_SECOND: u32 = 500;
/// A signer's burst is its rate over this, but room for the longest transaction: a burst is
/// taken by every node at once, and everybody notices it.
pub const SIGNER_BURST_DIVISOR: u32 = 2;
/// A node signs for many devices: it gets so many times the rate of one.
pub const NODE_RATE_FACTOR: u32 = 4;
/// A longer transaction counts as one per so many bytes begun.
pub const SIGNER_UNIT_BYTES: usize = 1_024;
/// Signers whose rates are remembered; only members are.
pub const RATED_SIGNERS_MAX: usize = 65_536;
/// KiB of gossip that one peer may bring per second; twice as much at once.
pub const PEER_GOSSIP_KIB_PER_SECOND: u32 = 16 * 1024;
/// Messages that one peer may bring per second; twice as many at once.
pub const PEER_MESSAGES_PER_SECOND: u32 = 4_096;
/// Peers whose rates are remembered.
pub const RATED_PEERS_MAX: usize = 1_024;
/// Validators that a node is sent a certificate by at first, at most.
pub const CERTIFICATE_SENDERS: usize = 8;
/// Certificates that a validator remembers to have sent: three for each of the last views.
pub const CERTIFICATES_REMEMBERED: usize = 64;
/// Of these, how many a node that connects is told: what lets it enter the newest view.
pub const CERTIFICATES_TOLD: usize = 4;
/// Between two looks at who is connected.
pub const CONNECTIONS_INTERVAL: Duration = Duration::from_millis(200);
/// Nodes that don't vote that such a node keeps connections to because it wrote to them.
pub const ACQUAINTANCES_MAX: usize = 64;
/// Ids of transactions whose signature was checked outside the mempool, per generation of two.
pub const VERIFIED_IDS_MAX: usize = 8_192;
/// Groups of transactions that wait for their signatures to be checked.
pub const INTAKE_GROUPS_MAX: usize = 1_024;
/// Signatures checked as one batch.
pub const BATCH_SIGNATURES_MAX: usize = 1_024;
/// Batches up to this size are checked on the spot instead of on the blocking pool.
pub const INLINE_SIGNATURES_MAX: usize = 4;
/// Blocks of up to this many transactions are executed on the spot.
pub const INLINE_TRANSACTIONS_MAX: usize = 16;
/// Most executed blocks between the newest final one and the one that is voted on.
pub const OVERLAY_DEPTH_MAX: u64 = 64;
/// Most executed blocks above the newest final one, forks included.
pub const OVERLAYS_MAX: usize = 256;
/// Blocks between two snapshots of the state, at least.
pub const SNAPSHOT_BLOCKS_MIN: u64 = 256;
/// Block time between two snapshots, at least, so that a busy chain does not write its state
/// all the time.
pub const SNAPSHOT_TIME_MS_MIN: u64 = 60_000;
/// Blocks after which a snapshot is due whatever the time: what a restart replays at most.
pub const SNAPSHOT_BLOCKS_MAX: u64 = 4_096;
/// Snapshots that are kept. Blocks go only below the oldest of them: one may turn out to be
/// damaged, and one may be newer than what the consumer has on disk.
pub const SNAPSHOTS_KEPT: usize = 3;
/// Blocks that go together when old ones go: a file holds so many.
pub const BLOCKS_PER_SECTION: NonZeroU64 = NZU64!(1024);
/// Empty blocks of which none need be on disk; fewer than the engine delivers before it waits
/// for the first to be dealt with.
pub const LAZY_BLOCKS_MAX: u64 = 8;
/// Finalized blocks that wait for the consumer.
pub const FINALIZED_QUEUE_MAX: usize = 64;
/// Messages of other nodes that wait for the consumer.
pub const MESSAGES_QUEUE_MAX: usize = 1_024;
/// Proofs of misbehaviour that wait for the consumer.
pub const MISBEHAVIOUR_QUEUE_MAX: usize = 64;
/// Messages that wait to be sent.
pub const OUTBOX_QUEUE_MAX: usize = 4_096;
/// Largest group of gossiped transactions.
pub const GOSSIP_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of own transactions that are gossiped again at a time.
pub const REGOSSIP_BYTES_MAX: usize = 4 * GOSSIP_BYTES_MAX;
/// Least time between two sends to one peer on a channel; what comes between goes together.
/// It keeps a busy sender under the channel's quota.
pub const SEND_GAP: Duration = Duration::from_millis(3);
/// Own transactions that are not final are gossiped again after this time.
pub const REGOSSIP_INTERVAL: Duration = Duration::from_secs(1);
/// A block whose timestamp is further ahead of the own clock than this, beyond the bound
/// of the protocol, is refused; one within it is waited for.
pub const CLOCK_WAIT_MS_MAX: u64 = 3_000;
/// How long a shutdown may take before the runtime is left to end by itself.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Block time without anything to do after which an empty block is due: leaders before pass.
pub const IDLE_BLOCK_TIME_MAX: Duration = Duration::from_secs(30);
/// Turns without a block after which one that is passed takes the whole leader timeout, beside
/// as many as there are validators: more than the idle interval leaves in the time above.
pub const IDLE_TURNS_MAX: NonZeroU64 = NZU64!(16);
