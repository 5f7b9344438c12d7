//! Messages that come ahead of the block that explains them: kept within a number and bytes,
//! oldest out first; what was dropped is asked for again.

use super::common::{CHAIN, Mesh, Setup, script::sends, task_id};
use trustmesh_agent::Input;
use trustmesh_types::{
    Digest, RequestId, Signature,
    evidence::{Completion, SignedCompletion},
    message::Message,
    request::StorageReceipt,
};

/// The bounds of the crate's `limits`.
const EARLY_MAX: u64 = 1_024;
const EARLY_BYTES_MAX: usize = 16 * 1024 * 1024;
const PIECE_BYTES: usize = 256 * 1024;
/// First interval of asking for completions.
const ASK_MS: u64 = 500;

/// A completion that nothing explains.
fn junk(mesh: &Mesh, n: u64, data: Option<Vec<u8>>) -> Message {
    let completion = Completion {
        request: RequestId(Digest::of(&n.to_le_bytes())),
        designation: 1,
        task: task_id("a"),
        node: mesh.key(0),
        inputs: Vec::new(),
        output: Digest([1; 32]),
        output_bytes: 1,
        duration_us: 1,
    };
    let completion = SignedCompletion { completion, signature: Signature([0; 64]) };
    Message::Completed { completion, data }
}

/// The node of the second task hears of the first's completion, then `count` messages about
/// other requests, and only then of the plan. How long it took to run its task, in ms.
fn flooded(count: u64, message: impl Fn(&Mesh, u64) -> Message) -> u64 {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    let at = mesh.nodes_of(&id, "b")[0];
    let late: Vec<Input> = mesh.nodes[at].inbox.drain(..).collect();
    assert!(late.iter().any(|input| matches!(input, Input::Block(_))));
    mesh.deaf.insert(at);
    mesh.run(400, |m| {
        let told = |message: &Message| matches!(message, Message::Completed { .. });
        m.nodes[at].inbox.is_empty() && m.mail.iter().any(|m| m.to == at && told(&m.message))
    });
    for n in 0..count {
        let message = message(&mesh, n);
        let effects = mesh.tell(at, (at + 1) % 4, message);
        assert!(sends(&effects).is_empty());
    }
    mesh.deaf.clear();
    mesh.nodes[at].inbox.extend(late);
    let since_ms = mesh.now_ms;
    mesh.run(2_000, |m| m.runs_of("b") == 1);
    let took_ms = mesh.now_ms - since_ms;
    mesh.result(&id, 2_000);
    assert_eq!(mesh.record(&id).attempts, 1);
    took_ms
}

#[test]
fn a_completion_ahead_of_its_plan_counts_once_the_plan_is_known() {
    assert!(flooded(0, |mesh, n| junk(mesh, n, None)) < 100);
}

#[test]
fn early_messages_are_bounded_in_number_and_what_was_dropped_is_asked_for() {
    assert!(flooded(EARLY_MAX - 1, |mesh, n| junk(mesh, n, None)) < 100);
    assert!(flooded(EARLY_MAX, |mesh, n| junk(mesh, n, None)) >= ASK_MS);
}

#[test]
fn early_messages_are_bounded_in_bytes_of_outputs() {
    let many = (EARLY_BYTES_MAX / PIECE_BYTES) as u64;
    let large = |mesh: &Mesh, n| junk(mesh, n, Some(vec![0; PIECE_BYTES]));
    assert!(flooded(many - 2, large) < 100);
    assert!(flooded(many + 1, large) >= ASK_MS);
}

#[test]
fn early_messages_are_bounded_in_bytes_of_receipts_and_inputs_too() {
    let receipts = |mesh: &Mesh, n: u64| {
        let network = mesh.state.network();
        let one = Digest([1; 32]);
        let receipt = StorageReceipt::sign(&mesh.secret(0), &network, one, one, 1);
        let request = RequestId(Digest::of(&n.to_le_bytes()));
        Message::Receipts { request, task: task_id("a"), receipts: vec![receipt; 2_000] }
    };
    // A receipt takes 168 bytes.
    let many = (EARLY_BYTES_MAX / (2_000 * 168)) as u64;
    assert!(flooded(many / 2, receipts) < 100);
    assert!(flooded(many + 2, receipts) >= ASK_MS);
}
