//! The ordered archive of final blocks and their certificates (marshal), and how blocks
//! spread and are fetched.
//!
//! Sizes: a section is what pruning takes away at once, two files in each half of the archive,
//! which stay open; so it must not be small. Pages and buffers change little: what an idle node
//! writes is a page of the disk for each file that it syncs (docs/disk.md).

use super::{
    lazy::{Gate, Lazy},
    transport::Transport,
};
use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    committees::{Certain, Committees},
    keys::EngineKey,
    ledger::Chain,
    limits::BLOCKS_PER_SECTION,
    options::archive_partition,
    runtime::Runtime,
};
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, Start, core::Actor, resolver::p2p as backfill, standard::Standard},
    simplex::{scheme::ed25519::Scheme, types::Finalization},
    types::{Height, ViewDelta},
};
use commonware_cryptography::{Digested, certificate::Verifier as _, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, buffer::paged::CacheRef};
use commonware_storage::{
    archive::{Archive as _, prunable},
    translator::EightCap,
};
use commonware_utils::{NZU16, NZU64, NZUsize, NonZeroDuration};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};

/// Messages that each of the engine's mailboxes has room for from the start. What does not fit
/// waits beside, so nothing is lost: 1,024 took 9 MB that are never used.
pub(super) const MAILBOX: NonZeroUsize = NZUsize!(128);
const REPLAY_BUFFER: NonZeroUsize = NZUsize!(256 * 1024);
const WRITE_BUFFER: NonZeroUsize = NZUsize!(16 * 1024);
/// Blocks that are delivered before the first of them is acknowledged.
const PENDING_ACKNOWLEDGEMENTS: NonZeroUsize = NZUsize!(16);

/// A page cache that the whole engine shares.
pub(super) fn page_cache() -> CacheRef {
    CacheRef::new(NZU16!(4084), NZUsize!(128))
}

fn archive<C>(
    partition: &str,
    name: &str,
    cache: &CacheRef,
    codec: C,
) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: archive_partition(partition, name, "metadata"),
        key_partition: archive_partition(partition, name, "keys"),
        key_page_cache: cache.clone(),
        value_partition: archive_partition(partition, name, "values"),
        compression: None,
        codec_config: codec,
        items_per_section: BLOCKS_PER_SECTION,
        key_write_buffer: WRITE_BUFFER,
        value_write_buffer: WRITE_BUFFER,
        replay_buffer: REPLAY_BUFFER,
    }
}

/// A half of the archive on disk: what it holds of each height.
pub(super) type Half<E, V> = prunable::Archive<EightCap, E, sha256::Digest, V>;
/// Certificates, and blocks.
pub(super) type Halves<E> =
    (Half<E, Finalization<Scheme, sha256::Digest>>, Half<E, Arc<LedgerBlock>>);

/// Opens both halves, making them when they are not there.
pub(super) async fn open<E: Runtime>(
    context: &E,
    partition: &str,
    cache: &CacheRef,
) -> Result<Halves<E>, String> {
    let codec = Scheme::certificate_codec_config_unbounded();
    let config = archive(partition, "finalizations", cache, codec);
    let finalizations = prunable::Archive::init(context.child("finalizations"), config)
        .await
        .map_err(|e| e.to_string())?;
    let config = archive(partition, "blocks", cache, ());
    let blocks = prunable::Archive::init(context.child("blocks"), config)
        .await
        .map_err(|e| e.to_string())?;
    Ok((finalizations, blocks))
}

/// The archive, running.
pub(super) struct Archive {
    pub(super) chain: Chain,
    pub(super) task: Handle<()>,
    /// Height up to which blocks were delivered and acknowledged before.
    pub(super) processed: u64,
    /// The lowest height whose block it has.
    pub(super) oldest: u64,
    /// Which blocks are on disk.
    pub(super) gate: Gate,
}

/// What the archive is started with.
pub(super) struct Setup {
    pub(super) partition: String,
    pub(super) me: EngineKey,
    pub(super) committees: Committees,
    pub(super) epoch_blocks: u64,
    pub(super) start: Start<Scheme, sha256::Digest, Digested<LedgerBlock>>,
    pub(super) cache: CacheRef,
}

/// Opens the archive and starts its task. Blocks come to `application` from now on.
pub(super) async fn start<E: Runtime, T: Transport>(
    context: &E,
    setup: Setup,
    (peers, blocker): (T::Peers, T::Blocker),
    [blocks, fetches]: [(T::Sender, T::Receiver); 2],
    application: LedgerApplication,
) -> Result<Archive, String> {
    let Setup { partition, me, committees, epoch_blocks, start, cache } = setup;
    let (spreader, buffer) = buffered::Engine::new(
        context.child("buffer"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: true,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    spreader.start(blocks);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: me,
            peer_provider: peers,
            blocker,
            mailbox_size: MAILBOX,
            fetch_timeout: one_second(),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        fetches,
    );
    let (finalizations, blocks) = open(context, &partition, &cache).await?;
    let oldest = blocks.first_index().unwrap_or(1);
    let gate = Gate::new(epoch_blocks, blocks.last_index().unwrap_or(0));
    let finalizations = Lazy::new(finalizations, gate.clone());
    let blocks = Lazy::new(blocks, gate.clone());
    let (actor, chain, _) = Actor::<_, Standard<LedgerBlock>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: committees.clone(),
            epocher: Certain(committees),
            start,
            partition_prefix: format!("{partition}-marshal"),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(256),
            prunable_items_per_section: NZU64!(1024),
            page_cache: cache,
            replay_buffer: REPLAY_BUFFER,
            key_write_buffer: WRITE_BUFFER,
            value_write_buffer: WRITE_BUFFER,
            block_codec_config: (),
            max_repair: NZUsize!(32),
            max_pending_acks: PENDING_ACKNOWLEDGEMENTS,
            strategy: Sequential,
        },
    )
    .await;
    let task = actor.start(application, buffer, resolver);
    let processed = chain.get_processed().await.map_or(0, |p| Height::get(p.height()));
    Ok(Archive { chain, task, processed, oldest, gate })
}

pub(super) fn one_second() -> NonZeroDuration {
    #[expect(clippy::expect_used, reason = "a constant that is not zero")]
    NonZeroDuration::new(Duration::from_secs(1)).expect("one second is not zero")
}
