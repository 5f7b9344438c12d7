//! Every fixed bound of the protocol, in one place. Units are in the names.
//!
//! What an operator may change lives in [`crate::genesis::Parameters`] instead.

/// Longest name of an application, workflow or task.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest free text in a record (a reason, a label value, an endpoint).
pub const TEXT_BYTES_MAX: usize = 512;
/// Most architectures that an application names.
pub const ARCHITECTURES_MAX: usize = 16;
/// Most hosts that an application is granted.
pub const GRANTED_HOSTS_MAX: usize = 32;
/// Most environment variables of an application.
pub const ENVIRONMENT_MAX: usize = 64;
/// How long a container may take to answer, at least and at most.
pub const START_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=600_000;
/// Blocks that lie between two reports of one node on one application, at least.
pub const APP_REPORT_BLOCKS_MIN: u64 = 2;
/// Most labels of a node.
pub const LABELS_MAX: usize = 32;
/// Most tasks of a workflow.
pub const TASKS_MAX: usize = 64;
/// Most edges of a workflow.
pub const EDGES_MAX: usize = 512;
/// Longest parameters object of a task, as canonical JSON.
pub const PARAMS_BYTES_MAX: usize = 4 * 1024;
/// Most nodes that run one task.
pub const REPLICAS_MAX: u8 = 16;
/// Longest task timeout.
pub const TASK_TIMEOUT_MS_MAX: u64 = 3_600_000;
/// Largest encoded transaction, signature included.
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;
/// Most transactions in a block.
pub const BLOCK_TRANSACTIONS_MAX: usize = 2_048;
/// Most bytes of transactions in a block.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;
/// Longest note that a member may anchor.
pub const NOTE_BYTES_MAX: usize = 1024;
/// Largest input of a request.
pub const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest output of a task.
pub const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest WebAssembly module: compiling takes some ten times as much memory.
pub const MODULE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Largest artifact of an application: all blobs of an image.
pub const ARTIFACT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Most blobs of an artifact.
pub const ARTIFACT_BLOBS_MAX: usize = 512;
/// Largest encoding of an artifact's contents: a full one of the most and largest blobs.
pub const CONTENTS_BYTES_MAX: usize = 128 * 1024;
/// Largest blob that travels in one message between nodes; a larger one goes in pieces.
pub const BLOB_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Largest message between nodes.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Most validators of a network.
pub const VALIDATORS_MAX: usize = 128;
/// Heights that an epoch may have.
pub const EPOCH_BLOCKS: std::ops::RangeInclusive<u64> = 16..=65_536;
/// Epochs that must begin between two times that a node which votes says that it is ready.
pub const READY_EPOCHS: u64 = 4;
/// Most storage receipts beside one digest.
pub const STORAGE_RECEIPTS_MAX: usize = VALIDATORS_MAX;
/// Deadlines that fire at the end of one block.
pub const DEADLINES_PER_BLOCK_MAX: usize = 256;
/// Waiting requests that are tried again at the end of one block.
pub const RETRIES_PER_BLOCK_MAX: usize = 64;
/// A plan's height lies at most this many blocks behind the block that confirms it.
pub const PLAN_AGE_BLOCKS_MAX: u64 = 64;
/// Rejected plans (without fault) of one designation before the next node is designated.
pub const PLAN_REJECTIONS_MAX: u8 = 3;
/// Blocks that must follow a designation before it can time out.
pub const GENERATION_BLOCKS_MIN: u64 = 2;
/// Designations of one request whose nodes the ledger remembers, newest last.
pub const DESIGNATIONS_KEPT_MAX: u32 = 64;
/// A block's timestamp lies at most this far ahead of a validator's clock.
pub const CLOCK_AHEAD_MS_MAX: u64 = 500;
/// Faults of one node that the ledger keeps at a time.
pub const FAULTS_KEPT_MAX: usize = 32;
/// Most completions of one report of contradictions.
pub const CONFLICT_COMPLETIONS_MAX: usize = VALIDATORS_MAX;
/// Fewest validators a network tolerates a fault with.
pub const VALIDATORS_MIN: usize = 4;
/// Most policies of a network.
pub const POLICIES_MAX: usize = 32;
/// Longest expression of a policy.
pub const POLICY_EXPRESSION_BYTES_MAX: usize = 1024;
/// Longest message of a policy.
pub const POLICY_MESSAGE_BYTES_MAX: usize = 256;
/// Most nodes of a policy's syntax tree.
pub const POLICY_NODES_MAX: usize = 256;
/// Deepest syntax tree of a policy.
pub const POLICY_DEPTH_MAX: usize = 32;
/// Deepest nesting of brackets in a policy's text.
pub const POLICY_BRACKETS_MAX: usize = 16;
/// Most loops of a policy inside each other.
pub const POLICY_LOOPS_MAX: usize = 2;
/// Steps that the evaluation of one policy over one plan may take. A step is one node of the
/// syntax tree evaluated, or one element of a list looked at.
pub const POLICY_STEPS_MAX: u64 = 100_000;
