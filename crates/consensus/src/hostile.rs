//! The decoders of this crate by their names, for fuzz targets (docs/fuzzing.md): what other
//! nodes send over the engine's channels, and what lies on the ledger's disk.

use crate::{
    StateSnapshot, block::LedgerBlock, certificate, committees, keys, ledger, wire::values,
};
use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::{
    scheme::ed25519::Scheme,
    types::{Certificate, Vote},
};
use commonware_cryptography::{certificate::Verifier as _, sha256};
use rand_core::CryptoRng;
use trustmesh_types::{
    Digest, SignedTransaction, codec, committee::Committee, genesis::Genesis, message::Envelope,
};

/// What a decoder may ask for.
pub struct World<'a> {
    /// A network.
    pub genesis: &'a Genesis,
    /// For checks of many signatures at once.
    pub rng: &'a mut dyn CryptoRng,
}

/// Reads bytes of anybody; panics where what is read breaks a promise.
pub type Read = fn(&mut World<'_>, &[u8]);

/// All of them.
pub const DECODERS: &[(&str, Read)] = &[
    ("engine vote", vote),
    ("engine certificate", engine_certificate),
    ("finality certificate", finality),
    ("ledger block", block),
    ("group of transactions", |_, bytes| group::<SignedTransaction>(bytes)),
    ("group of messages", |_, bytes| group::<Envelope>(bytes)),
    ("fetched snapshot", snapshot),
    ("kept committee", |_, bytes| committees::read_entry(bytes)),
    ("kept snapshot", |world, bytes| ledger::read_frame(&world.genesis.network_id(), bytes)),
];

fn vote(_: &mut World<'_>, bytes: &[u8]) {
    let read = Vote::<Scheme, sha256::Digest>::decode(Bytes::copy_from_slice(bytes));
    if let Ok(vote) = read {
        assert_eq!(vote.encode().as_ref(), bytes, "a vote has a second encoding");
    }
}

fn engine_certificate(world: &mut World<'_>, bytes: &[u8]) {
    let Ok(validators) = keys::participants(&world.genesis.validators()) else { return };
    let namespace = keys::vote_namespace(&world.genesis.network_id());
    let config = Scheme::verifier(&namespace, validators).certificate_codec_config();
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(read) = Certificate::<Scheme, sha256::Digest>::decode_cfg(bytes.clone(), &config) {
        assert_eq!(read.encode().as_ref(), &*bytes, "a certificate has a second encoding");
    }
}

/// Chance makes no quorum.
fn finality(world: &mut World<'_>, bytes: &[u8]) {
    let (network, block) = (world.genesis.network_id(), Digest([2; 32]));
    let validators = world.genesis.validators();
    let committee = Committee { number: 0, first_height: 1, validators };
    let proven =
        certificate::verify_certificate(&mut world.rng, &network, &committee, &block, bytes);
    assert!(proven.is_err(), "a certificate that nobody signed");
}

fn block(_: &mut World<'_>, bytes: &[u8]) {
    if let Ok(block) = LedgerBlock::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(block.encode().as_ref(), bytes, "a block has a second encoding");
        assert_eq!(block.ids().len(), block.block().transactions.len());
    }
}

fn group<T: borsh::BorshDeserialize>(bytes: &[u8]) {
    let read: usize = values::<T>(bytes).iter().map(|(_, length)| length).sum();
    assert!(read <= bytes.len(), "more than there is");
}

/// Nothing of it follows from a genesis that chance did not choose.
fn snapshot(world: &mut World<'_>, bytes: &[u8]) {
    if let Ok(read) = codec::decode::<StateSnapshot>("snapshot", bytes, bytes.len()) {
        assert!(
            read.verify(&mut world.rng, world.genesis).is_err(),
            "a snapshot that nobody signed"
        );
    }
}
