//! Bounds of the HTTP API, in one place. Those of what a body means are in
//! `trustmesh_types::limits`.

use trustmesh_types::{contents::CHUNK_BYTES, limits};

/// Largest JSON body: an input of a request as text, or a batch of transactions.
pub const JSON_BODY_BYTES_MAX: usize = limits::INPUT_BYTES_MAX as usize + 64 * 1024;
/// Most chunks of a blob in one upload.
pub const CHUNKS_PER_PUT_MAX: u64 = 8;
/// Largest body of an upload of chunks.
pub const CHUNKS_BODY_BYTES_MAX: usize = (CHUNKS_PER_PUT_MAX * CHUNK_BYTES) as usize;
/// Most bytes of a blob in one answer.
pub const BLOB_RANGE_BYTES_MAX: u64 = 16 * CHUNK_BYTES;
/// Most bytes of an application's log in one answer.
pub const APP_LOG_BYTES_MAX: usize = 256 * 1024;
/// Largest answer that a client reads: a sealed result in hexadecimal, with every task's
/// completion.
pub const ANSWER_BYTES_MAX: usize = 160 * 1024 * 1024;
/// Most transactions in one post.
pub const TRANSACTIONS_PER_POST_MAX: usize = 512;
/// Most entries of a page.
pub const PAGE_ENTRIES_MAX: u32 = 500;
/// Entries of a page that names no limit.
pub const PAGE_ENTRIES_DEFAULT: u32 = 50;
/// Most blocks in one answer of whole blocks.
pub const RAW_BLOCKS_MAX: u32 = 64;
/// Most headers of one answer with their certificates.
pub const RAW_HEADERS_MAX: u32 = 512;
/// Longest wait of a long poll.
pub const WAIT_MS_MAX: u64 = 60_000;
/// Longest workflow definition.
pub const DEFINITION_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a snapshot in one answer, before their hexadecimal form.
pub const SNAPSHOT_PIECE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest snapshot that is taken.
pub const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;
