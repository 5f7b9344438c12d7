//! What comes from other nodes: messages, transactions, blocks, proofs and evidence.
//!
//! The engine's own messages, certificates and groups are with [`crate::node`].

use crate::{
    Decoder, choose,
    same::{check_exact, exact},
};
use borsh::BorshDeserialize as _;
use trustmesh_state::StateProof;
use trustmesh_types::{
    Block, Digest, Header, NetworkId, Receipt, SignedTransaction,
    block::transactions_root,
    codec,
    crypto::BatchVerifier,
    events::Event,
    evidence::{Finalization, Progress, SignedCompletion},
    faults::{Conflict, FaultEvidence},
    limits::TRANSACTION_BYTES_MAX,
    merkle,
    message::Envelope,
    plan::{Decline, Plan},
    request::{RequestBody, StorageReceipt, Submission},
    resources::ResourceReport,
    votes::ConflictingVotes,
    workflow::Workflow,
};

/// What the first byte chooses from.
pub const DECODERS: &[Decoder] = &[
    ("envelope", check_exact::<Envelope>),
    ("transaction", transaction),
    ("block", block),
    ("rooted block", rooted_block),
    ("header", check_exact::<Header>),
    ("receipt", check_exact::<Receipt>),
    ("proof", proof),
    ("submission", check_exact::<Submission>),
    ("request body", check_exact::<RequestBody>),
    ("storage receipt", storage_receipt),
    ("completion", completion),
    ("progress", check_exact::<Progress>),
    ("finalization", check_exact::<Finalization>),
    ("votes", votes),
    ("conflict", check_exact::<Conflict>),
    ("fault evidence", check_exact::<FaultEvidence>),
    ("plan", check_exact::<Plan>),
    ("decline", check_exact::<Decline>),
    ("workflow", workflow),
    ("event", check_exact::<Event>),
    ("resource report", check_exact::<ResourceReport>),
    ("merkle proof", check_exact::<merkle::Proof>),
    ("group", group),
];

/// One input.
pub fn run(data: &[u8]) {
    choose(DECODERS, data);
}

fn network() -> NetworkId {
    NetworkId(Digest([1; 32]))
}

/// A block's transactions are checked together and one by one: both must say the same.
fn transaction(bytes: &[u8]) {
    let what = "transaction";
    if codec::decode::<SignedTransaction>(what, bytes, TRANSACTION_BYTES_MAX).is_err() {
        return;
    }
    let Some(signed) = exact::<SignedTransaction>(bytes) else { return };
    let mut batch = BatchVerifier::new();
    batch.add(&signed.claim(&signed.transaction.network, &signed.id()));
    let alone = signed.verify().is_ok();
    assert_eq!(batch.verify(&[7; 32]).is_ok(), alone, "a batch judges otherwise than one");
    let text = serde_json::to_vec(&signed).unwrap_or_else(|e| panic!("no JSON: {e}"));
    let again = serde_json::from_slice::<SignedTransaction>(&text);
    assert_eq!(again.ok().as_ref(), Some(&signed), "JSON gives another transaction");
}

fn block(bytes: &[u8]) {
    if Block::decode(bytes).is_ok() {
        check_exact::<Block>(bytes);
    }
}

/// A block whose header is made to commit to its transactions, which chance never finds.
fn rooted_block(mut bytes: &[u8]) {
    let Ok(mut header) = Header::deserialize(&mut bytes) else { return };
    let Ok(transactions) = Vec::<SignedTransaction>::deserialize(&mut bytes) else { return };
    header.transactions_root = transactions_root(&transactions);
    let block = Block { header, transactions };
    let encoded = codec::encode(&block);
    if let Ok(decoded) = Block::decode(&encoded) {
        assert_eq!(decoded, block);
        let ids = decoded.transaction_ids();
        assert_eq!(ids.len(), decoded.transactions.len());
    }
    // The same body under another header is refused.
    let mut other = block.clone();
    other.header.transactions_root.0[0] ^= 1;
    assert!(Block::decode(&codec::encode(&other)).is_err(), "a body that is not its header's");
}

/// Nothing that chance makes proves anything under a root that it does not choose.
fn proof(bytes: &[u8]) {
    if let Some(proof) = exact::<StateProof>(bytes) {
        let root = Digest([3; 32]);
        assert!(!proof.verify(&root, b"key", Some(b"value")));
        assert!(!proof.verify(&root, b"key", None));
    }
}

fn storage_receipt(bytes: &[u8]) {
    if let Some(receipt) = exact::<StorageReceipt>(bytes) {
        let _ = receipt.verify(&network());
    }
}

fn completion(bytes: &[u8]) {
    if let Some(completion) = exact::<SignedCompletion>(bytes) {
        let _ = completion.verify(&network());
    }
}

fn votes(bytes: &[u8]) {
    if let Some(votes) = exact::<ConflictingVotes>(bytes) {
        let proven = votes.verify(&network()).is_ok();
        assert!(!proven || votes.check_conflict().is_ok(), "proven, but no conflict");
        let _ = (votes.digest(), votes.subject());
    }
}

fn workflow(bytes: &[u8]) {
    if let Some(workflow) = exact::<Workflow>(bytes)
        && workflow.validate().is_ok()
    {
        assert!(workflow.levels().is_ok(), "a valid workflow has levels");
        assert!(!workflow.sinks().is_empty(), "a valid workflow has a sink");
    }
}

/// Values one after the other, as nodes send them.
fn group(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let before = rest;
        let Ok(envelope) = Envelope::deserialize(&mut rest) else { return };
        let read = before.len() - rest.len();
        assert_eq!(codec::encode(&envelope), before[..read], "a second encoding in a group");
    }
}
