//! Every bound and interval of a node's behaviour, in one place; units are in the names.
//! What all nodes must agree on stands in `trustmesh_types::limits` instead.

/// Bytes of blobs held in memory, beside those that a task's run is being put together from.
pub(crate) const CACHE_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Requests on their way to the ledger through this node.
pub(crate) const INTAKES_MAX: usize = 4_096;
/// Clients that wait for one request.
pub(crate) const TICKETS_MAX: usize = 16;
/// A client waits this long for its request to reach the ledger, or its artifact validators.
pub(crate) const SUBMIT_MS_MAX: u64 = 10_000;
/// Artifacts being published through this node at once.
pub(crate) const PUBLISHES_MAX: usize = 8;
/// Bytes of an artifact that reach validators in a millisecond, at least: 8 Mbit/s.
pub(crate) const ARTIFACT_BYTES_PER_MS_MIN: u64 = 1_024;
/// A published artifact waits this long for its deployment.
pub(crate) const PUBLISHED_KEPT_MS: u64 = 600_000;
/// First and longest interval of trying again to have an artifact.
pub(crate) const OBTAIN_RETRY_MS: (u64, u64) = (1_000, 60_000);
/// Tries to have an artifact before the ledger is told that it can't be had.
pub(crate) const OBTAIN_TRIES_SILENT: u32 = 3;
/// First and longest interval of trying again to start an application that failed.
pub(crate) const START_RETRY_MS: (u64, u64) = (2_000, 300_000);
/// Between two reports that an application fails, for other reasons each.
pub(crate) const FAILED_AGAIN_MS: u64 = 60_000;
/// Starts in a row that fail before tasks that wait for the application are given up.
pub(crate) const START_TRIES_SILENT: u32 = 2;
/// An application that shall stop goes on this long at most for plans that need it.
pub(crate) const DRAIN_MS_MAX: u64 = 30_000;
/// How often such plans are looked for.
pub(crate) const DRAIN_LOOK_MS: u64 = 500;
/// Requests that this node keeps memory for.
pub(crate) const WORKS_MAX: usize = 16_384;
/// Blobs that this node keeps for others' open requests.
pub(crate) const KEPT_MAX: usize = 32_768;
/// Bytes kept for open requests of one device, or open outputs of one node.
pub(crate) const KEPT_BYTES_PER_OWNER_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of artifacts kept for one node and not deployed yet.
pub(crate) const KEPT_ARTIFACT_BYTES_PER_NODE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Blobs being fetched at once.
pub(crate) const FETCHES_MAX: usize = 4_096;
/// A source that has not answered by then is passed over.
pub(crate) const FETCH_MS: u64 = 600;
/// Longest rest between two rounds over a blob's sources.
pub(crate) const FETCH_REST_MS_MAX: u64 = 5_000;
/// Sources of one blob.
pub(crate) const SOURCES_MAX: usize = 256;
/// Pieces that others wait for while this node loads the blob.
pub(crate) const SERVES_MAX: usize = 1_024;
/// Validators beyond the first f+1 are asked for a receipt after this.
pub(crate) const WIDEN_MS: u64 = 250;
/// First and longest interval of asking again for a receipt.
pub(crate) const RECEIPT_RETRY_MS: (u64, u64) = (1_000, 5_000);
/// First and longest interval of asking for completions.
pub(crate) const ASK_MS: (u64, u64) = (500, 5_000);
/// First and longest interval of a transaction that does not show on the ledger.
pub(crate) const TRANSACT_MS: (u64, u64) = (3_000, 10_000);
/// Messages that came ahead of the block that explains them, and their bytes.
pub(crate) const EARLY_MAX: usize = 1_024;
/// Bytes of such messages.
pub(crate) const EARLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Contradictions that this node holds until the ledger knows them.
pub(crate) const CONFLICTS_MAX: usize = 1_024;
/// How often one is brought to the ledger at most.
pub(crate) const CONFLICT_TRIES_MAX: u32 = 5;
/// Interval of this node's sign of life.
pub(crate) const ALIVE_MS: u64 = 1_000;
/// A node not heard from for this long is avoided in plans.
pub(crate) const SILENT_MS: u64 = 3_000;
/// A plan after an abandoned one waits this long for progress to be recorded.
pub(crate) const PROGRESS_WAIT_MS: u64 = 60;
/// A plan that this node's own open plans stand in the way of is tried again after this.
pub(crate) const PLAN_PAUSE_MS: u64 = 20;
/// A device's clock may be ahead of this node's by this much.
pub(crate) const CLOCK_SKEW_MS: u64 = 5_000;
/// Completed work of an active plan is not recorded earlier than this.
pub(crate) const PROGRESS_MS_MIN: u64 = 1_000;
/// Nodes named with their reasons in a decline, and bytes of a reason.
pub(crate) const UNFIT_MAX: usize = 128;
/// Reported misdeeds that are remembered, so that none is reported twice.
pub(crate) const CHARGES_MAX: usize = 1_024;
/// Bytes of a reason in a decline.
pub(crate) const UNFIT_BYTES_MAX: usize = 256;
/// Nodes told of in the reasons of one plan or decline, over all its tasks and replicas.
pub(crate) const EXPLAINED_MAX: usize = 1_024;
/// Blobs of a request that persists are kept this long after its retention.
pub(crate) const PERSIST_MS: u64 = 30 * 24 * 3_600_000;
/// A sealed result is held at least this long after the request ended.
pub(crate) const RESULT_MS_MIN: u64 = 3_600_000;
/// Completions taken over from before a restart.
pub(crate) const RECOVERED_MAX: usize = 65_536;
/// Matters handled in one step; more are left for a step right after.
pub(crate) const MATTERS_PER_STEP_MAX: usize = 65_536;
