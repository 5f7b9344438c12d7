//! Headers and certificates of all blocks: in the archive with their blocks, and in the store
//! when the blocks are pruned.
//!
//! In the store, one document for [`CHUNK`] heights, so that ten million take as many times
//! less of the store's tree: key the first height (8 bytes, big-endian), value the borsh encoding
//! of a list of [`Kept`]. Chunks begin at multiples of their length; the first has none for
//! height 0, which is genesis.

use crate::history::HistoryError;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use trustmesh_api::{HexBytes, RawHeader};
use trustmesh_consensus::Handle;
use trustmesh_data::{Documents, Store, Table};
use trustmesh_types::codec;

const HEADERS: Table = Table::new("headers");
/// Heights in one document.
const CHUNK: u64 = 64;
/// Documents in one write.
const CHUNKS_PER_WRITE: usize = 16;

/// What stays of a block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Kept {
    height: u64,
    /// The encoded header.
    header: Vec<u8>,
    /// The encoded certificate; empty for a block that became final through a later one.
    certificate: Vec<u8>,
}

/// All headers. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    documents: Documents,
    ledger: Handle,
}

fn key(height: u64) -> Vec<u8> {
    (height - height % CHUNK).to_be_bytes().to_vec()
}

impl Headers {
    pub(crate) fn new(store: &Store, ledger: Handle) -> Self {
        Self { documents: store.documents(), ledger }
    }

    pub(super) const fn ledger(&self) -> &Handle {
        &self.ledger
    }

    /// Headers from a height on without a gap, at most `limit`.
    ///
    /// # Errors
    /// [`HistoryError`] when the store can't be read.
    pub(crate) async fn from(
        &self,
        height: u64,
        limit: usize,
    ) -> Result<Vec<RawHeader>, HistoryError> {
        let mut found: Vec<RawHeader> = Vec::new();
        let newest = self.ledger.status().height;
        let mut next = height.max(1);
        while found.len() < limit && next <= newest {
            // First the archive: it may lose a block meanwhile, but then the store has it.
            let more = match self.archived(next).await {
                Some(kept) => vec![kept],
                None => self.stored(next)?,
            };
            let before = next;
            for kept in more.into_iter().filter(|kept| kept.height >= before) {
                if kept.height != next || found.len() == limit {
                    break;
                }
                next += 1;
                found.push(RawHeader {
                    height: kept.height,
                    header: HexBytes(kept.header),
                    certificate: HexBytes(kept.certificate),
                });
            }
            if next == before {
                break;
            }
        }
        Ok(found)
    }

    async fn archived(&self, height: u64) -> Option<Kept> {
        if height < self.ledger.oldest() {
            return None;
        }
        let block = self.ledger.block(height).await?;
        let certificate = self.ledger.finalization(height).await.unwrap_or_default();
        Some(Kept { height, header: codec::encode(&block.header), certificate })
    }

    fn stored(&self, height: u64) -> Result<Vec<Kept>, HistoryError> {
        let Some(bytes) = self.documents.get(HEADERS, &key(height))? else { return Ok(Vec::new()) };
        // The store bounds what was written.
        Ok(codec::decode("headers of pruned blocks", &bytes, bytes.len())?)
    }

    /// Brings the headers of blocks from `from` up to but not including `below` to the store,
    /// durably; `false` when the archive lacks one of them. `below` is a multiple of [`CHUNK`].
    ///
    /// # Errors
    /// [`HistoryError`] when the store takes no more.
    pub(super) async fn keep(&self, from: u64, below: u64) -> Result<bool, HistoryError> {
        let mut documents = Vec::new();
        let mut chunk = from - from % CHUNK;
        while chunk < below {
            let mut kept = Vec::new();
            for height in chunk.max(from).max(1)..chunk + CHUNK {
                let Some(one) = self.archived(height).await else {
                    tracing::warn!(height, "a block is missing in the archive: none is pruned");
                    return Ok(false);
                };
                kept.push(one);
            }
            documents.push((key(chunk), Bytes::from(codec::encode(&kept))));
            chunk += CHUNK;
            if documents.len() == CHUNKS_PER_WRITE || chunk >= below {
                self.documents.put_many(HEADERS, std::mem::take(&mut documents)).await?;
            }
        }
        Ok(true)
    }
}
