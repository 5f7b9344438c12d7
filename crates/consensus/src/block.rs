//! A ledger block as the engine sees it.
//!
//! Invariants: the digest is that of the block's header (PROTOCOL §2), computed once; the
//! encoding is kept, so that relaying and storing never encodes again; one block has one
//! encoding (decoding refuses any other), as the engine requires.
//!
//! On the wire: length as a varint, then the borsh encoding of [`trustmesh_types::Block`].

use bytes::{BufMut, Bytes};
use commonware_codec::{
    Buf, DecodeExt as _, Encode as _, EncodeSize, Error as CodecError, RangeCfg, Read, Write,
};
use commonware_consensus::{BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{Digestible, sha256};
use std::sync::{Arc, OnceLock};
use trustmesh_types::{
    Block, TxId,
    block::BLOCK_ENCODED_BYTES_MAX,
    codec::{self, DecodeError},
};

mod shared;

pub use shared::SharedBlocks;

/// Widest varint that a length takes.
const LENGTH_BYTES_MAX: usize = 5;

struct Inner {
    block: Arc<Block>,
    encoded: Bytes,
    digest: sha256::Digest,
    ids: OnceLock<Vec<TxId>>,
}

/// A block with its encoding and digest; clones share it.
#[derive(Clone)]
pub struct LedgerBlock(Arc<Inner>);

impl std::fmt::Debug for LedgerBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = &self.0.block.header;
        write!(f, "LedgerBlock({} at {})", self.0.digest, header.height)
    }
}

impl LedgerBlock {
    /// Wraps a block made here.
    #[must_use]
    pub fn new(block: Block) -> Self {
        let encoded = Bytes::from(codec::encode(&block));
        Self::of(block, encoded)
    }

    /// Decodes the borsh encoding of a block that came from outside.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no block, or not its one encoding.
    pub fn decode_bytes(encoded: Bytes) -> Result<Self, DecodeError> {
        shared::block(encoded, |encoded| {
            let block = Block::decode(&encoded)?;
            if codec::encode(&block) != encoded {
                let reason = "not the canonical encoding".to_owned();
                return Err(DecodeError::Malformed { what: "block", reason });
            }
            Ok(Self::of(block, encoded))
        })
    }

    fn of(block: Block, encoded: Bytes) -> Self {
        let digest = sha256::Digest(block.digest().0);
        Self(Arc::new(Inner { block: Arc::new(block), encoded, digest, ids: OnceLock::new() }))
    }

    /// As it travels: see the module.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        self.encode().to_vec()
    }

    /// From what [`Self::to_wire`] gives.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no block.
    pub fn from_wire(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Self::decode(Bytes::from(bytes))
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &Arc<Block> {
        &self.0.block
    }

    /// Its height.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.block.header.height
    }

    /// Encoded bytes of its transactions.
    #[must_use]
    pub fn transaction_bytes(&self) -> usize {
        let header = codec::encode(&self.0.block.header).len();
        self.0.encoded.len().saturating_sub(header + size_of::<u32>())
    }

    /// Ids of its transactions, in order; computed once.
    #[must_use]
    pub fn ids(&self) -> &[TxId] {
        self.0.ids.get_or_init(|| self.0.block.transaction_ids())
    }
}

impl Write for LedgerBlock {
    fn write(&self, writer: &mut impl BufMut) {
        self.0.encoded.write(writer);
    }
}

impl EncodeSize for LedgerBlock {
    fn encode_size(&self) -> usize {
        self.0.encoded.encode_size()
    }
}

impl Read for LedgerBlock {
    type Cfg = ();

    fn read_cfg(reader: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let encoded = Bytes::read_cfg(reader, &RangeCfg::from(0..=BLOCK_ENCODED_BYTES_MAX))?;
        Self::decode_bytes(encoded).map_err(|e| CodecError::Wrapped("block", Box::new(e)))
    }
}

impl Digestible for LedgerBlock {
    type Digest = sha256::Digest;

    fn digest(&self) -> sha256::Digest {
        self.0.digest
    }
}

impl Heightable for LedgerBlock {
    fn height(&self) -> Height {
        Height::new(self.number())
    }
}

impl commonware_consensus::Block for LedgerBlock {
    fn parent(&self) -> sha256::Digest {
        sha256::Digest(self.0.block.header.parent.0)
    }
}

impl BoundedBlock for LedgerBlock {
    fn max_encode_size((): &()) -> usize {
        BLOCK_ENCODED_BYTES_MAX + LENGTH_BYTES_MAX
    }
}
