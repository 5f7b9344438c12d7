//! The bytes of a block are a format that nodes of different builds share: changing this
//! golden is a deliberate act named in CHANGELOG.

use crate::{LedgerBlock, SharedBlocks, testing};
use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_cryptography::Digestible as _;
use std::sync::Arc;
use trustmesh_types::{Block, Digest, codec};

fn sample() -> Block {
    let genesis = testing::genesis(4);
    let mut block = genesis.block(Digest([1; 32]));
    block.transactions = vec![testing::note(genesis.network_id(), &testing::operator(), 1)];
    block.header.transactions_root = trustmesh_types::block::transactions_root(&block.transactions);
    block
}

#[test]
fn golden_bytes() {
    let block = LedgerBlock::new(sample());
    let bytes = block.encode();
    assert_eq!(bytes.len(), 365);
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "34951212d0d37f298559bb9c77598d7f650bd40fd3fc0ed909608e54d67d419a"
    );
    assert_eq!(Digest(block.digest().0), sample().digest());
}

#[test]
fn what_is_decoded_is_what_was_encoded_and_nothing_else() {
    let block = LedgerBlock::new(sample());
    let bytes = block.encode();
    let back = LedgerBlock::decode(bytes.clone()).unwrap();
    assert_eq!(back.block(), block.block());
    assert_eq!(back.digest(), block.digest());
    assert_eq!(back.encode(), bytes);
    assert_eq!(back.ids(), block.block().transaction_ids());

    let plain = codec::encode(&sample());
    let trailing = [plain.clone(), vec![0]].concat();
    assert!(LedgerBlock::decode_bytes(Bytes::from(trailing)).is_err());
    let mut other_body = sample();
    other_body.transactions.clear();
    assert!(LedgerBlock::decode_bytes(codec::encode(&other_body).into()).is_err());
    assert!(LedgerBlock::decode_bytes(plain.get(..20).unwrap().to_vec().into()).is_err());
}

#[test]
fn the_bytes_of_transactions_are_counted_without_the_header() {
    let block = LedgerBlock::new(sample());
    let expected: usize = block.block().transactions.iter().map(|t| codec::encode(t).len()).sum();
    assert_eq!(block.transaction_bytes(), expected);
}

#[test]
fn blocks_are_shared_only_while_somebody_wants_them_to_be() {
    let bytes = Bytes::from(codec::encode(&sample()));
    let two = || [(); 2].map(|()| LedgerBlock::decode_bytes(bytes.clone()).unwrap());
    let same = |[one, other]: &[LedgerBlock; 2]| Arc::ptr_eq(one.block(), other.block());
    assert!(!same(&two()));
    let shared = SharedBlocks::begin();
    assert!(same(&two()));
    let mut other = bytes.to_vec();
    other.push(0);
    assert!(LedgerBlock::decode_bytes(other.into()).is_err());
    drop(shared);
    assert!(!same(&two()));
}
