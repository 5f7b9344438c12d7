//! Bounds of what a node keeps for others: what is over is refused or dropped, with an
//! answer where somebody waits for one. The numbers are those of the crate's `limits`.

use super::common::{
    Mesh, ONE, START_MS,
    script::{answers, receipts, refusals, sends},
};
use trustmesh_agent::{Answer, Effect, Input};
use trustmesh_types::{
    AppId, Contents, Digest, Payload, RequestId, SecretKey,
    evidence::Completion,
    message::Message,
    records::{AppManifest, Runtime},
    request::{RequestBody, StorageReceipt},
    resources::Resources,
};

const MIB: u64 = 1024 * 1024;
const TICKETS_MAX: u64 = 16;
const INTAKES_MAX: u64 = 4_096;
const PUBLISHES_MAX: u64 = 8;
const SERVES_MAX: u64 = 1_024;
const SUBMIT_MS_MAX: u64 = 10_000;

fn digest(n: u64) -> Digest {
    Digest::of(&n.to_le_bytes())
}

/// "Keep this": an input of 4 MiB that a device signed for, to be fetched.
fn store_input(mesh: &Mesh, device: &SecretKey, nonce: u64) -> Message {
    let (body, _) = mesh.request(nonce, b"1");
    let body = RequestBody {
        device: device.public(),
        input: digest(nonce),
        input_bytes: 4 * MIB,
        deadline_ms: mesh.now_ms + 60_000,
        ..body
    };
    let signature = body.sign(device);
    Message::StoreInput { body, signature, data: None }
}

fn store_output(mesh: &Mesh, node: usize, n: u64) -> Message {
    let completion = Completion {
        request: RequestId(digest(n)),
        designation: 1,
        task: super::common::task_id("a"),
        node: mesh.key(node),
        inputs: Vec::new(),
        output: digest(n),
        output_bytes: 4 * MIB,
        duration_us: 1,
    };
    let completion = completion.sign(&mesh.secret(node), &mesh.state.network());
    Message::StoreOutput { completion, data: None }
}

const fn store_artifact(digest: Digest) -> Message {
    Message::StoreArtifact { contents: digest, bytes: 512 * MIB, registry: None }
}

#[track_caller]
fn assert_taken(effects: &[Effect]) {
    assert!(refusals(effects).is_empty(), "{:?}", refusals(effects));
    assert!(effects.iter().any(|e| matches!(e, Effect::Load { .. } | Effect::Obtain(_))));
}

#[track_caller]
fn assert_full(effects: &[Effect]) {
    assert!(matches!(refusals(effects)[..], [why] if why.contains("open blobs")), "{effects:?}");
    let begun =
        |e: &Effect| matches!(e, Effect::Load { .. } | Effect::Store { .. } | Effect::Obtain(_));
    assert!(!effects.iter().any(begun));
}

#[test]
fn one_devices_open_inputs_are_bounded_in_bytes_and_others_are_not_harmed() {
    let mut mesh = Mesh::quiet(ONE);
    let (device, other) = (mesh.device.clone(), SecretKey::from_seed([102; 32]));
    mesh.operate(Payload::RegisterDevice { device: other.public(), name: "e".into() });
    mesh.run(1_000, |m| m.state.device(&other.public()).is_some());
    mesh.quieten();
    for nonce in 0..64 {
        let message = store_input(&mesh, &device, nonce);
        assert_taken(&mesh.tell(0, 1, message));
    }
    let message = store_input(&mesh, &device, 64);
    assert_full(&mesh.tell(0, 1, message.clone()));
    assert_full(&mesh.tell(0, 2, message));
    let message = store_input(&mesh, &other, 65);
    assert_taken(&mesh.tell(0, 1, message));
}

#[test]
fn what_never_reached_the_ledger_does_not_count_against_its_device_for_ever() {
    let mut mesh = Mesh::quiet(ONE);
    let device = mesh.device.clone();
    for nonce in 0..64 {
        let message = store_input(&mesh, &device, nonce);
        assert_taken(&mesh.tell(0, 1, message));
    }
    // The requests' deadline and their retention, 60 s each.
    mesh.now_ms += 119_000;
    let message = store_input(&mesh, &device, 64);
    assert_full(&mesh.tell(0, 1, message));
    mesh.now_ms += 1_000;
    let message = store_input(&mesh, &device, 65);
    assert_taken(&mesh.tell(0, 1, message));
}

#[test]
fn one_nodes_open_outputs_are_bounded_in_bytes_and_others_are_not_harmed() {
    let mut mesh = Mesh::quiet(ONE);
    for n in 0..64 {
        let message = store_output(&mesh, 1, n);
        assert_taken(&mesh.tell(0, 1, message));
    }
    let message = store_output(&mesh, 1, 64);
    assert_full(&mesh.tell(0, 1, message));
    let message = store_output(&mesh, 2, 65);
    assert_taken(&mesh.tell(0, 2, message));
}

#[test]
fn artifacts_not_deployed_yet_are_bounded_in_bytes_until_their_time_is_over() {
    let mut mesh = Mesh::quiet(ONE);
    for n in 1..=8 {
        // What the mesh runs was published through node 0 too, and does not count.
        assert_taken(&mesh.tell(1, 0, store_artifact(digest(n))));
    }
    assert_full(&mesh.tell(1, 0, store_artifact(digest(9))));
    assert_taken(&mesh.tell(1, 2, store_artifact(digest(9))));
    mesh.now_ms += 600_000;
    assert_taken(&mesh.tell(1, 0, store_artifact(digest(10))));
}

#[test]
fn a_deployed_artifact_no_longer_counts_against_who_published_it() {
    let mut mesh = Mesh::quiet(ONE);
    for n in 1..=8 {
        assert_taken(&mesh.tell(1, 0, store_artifact(digest(n))));
    }
    assert_full(&mesh.tell(1, 0, store_artifact(digest(9))));
    let network = mesh.state.network();
    let (contents, bytes) = (digest(3), 512 * MIB);
    let receipts = [1, 2]
        .map(|at| StorageReceipt::sign(&mesh.secret(at), &network, contents, contents, bytes))
        .into();
    let id = AppId::new("other").unwrap();
    let module = Contents::of_module(b"module").unwrap();
    let needs = Resources { cpu_millis: 500, memory_bytes: MIB, disk_bytes: 0 };
    let manifest = AppManifest {
        runtime: Runtime::Container,
        contents,
        artifact_bytes: bytes,
        ..AppManifest::module(id.clone(), &module, needs)
    };
    mesh.deploy(manifest, receipts);
    mesh.run(1_000, |m| m.state.app(&id).is_some());
    mesh.quieten();
    assert_taken(&mesh.tell(1, 0, store_artifact(digest(9))));
    assert_full(&mesh.tell(1, 0, store_artifact(digest(10))));
}

#[test]
fn lengths_out_of_bounds_are_refused_with_the_bounds() {
    let mut mesh = Mesh::quiet(ONE);
    for bytes in [0, 2_048 * MIB + 1, u64::MAX] {
        let message = Message::StoreArtifact { contents: digest(1), bytes, registry: None };
        let effects = mesh.tell(0, 1, message);
        let bound = (2_048 * MIB).to_string();
        assert!(matches!(refusals(&effects)[..], [why] if why.contains(&bound)), "{effects:?}");
    }
    for bytes in [0, 4 * MIB + 1, u64::MAX] {
        let Message::StoreOutput { completion, .. } = store_output(&mesh, 1, 1) else { panic!() };
        let completion = Completion { output_bytes: bytes, ..completion.completion };
        let completion = completion.sign(&mesh.secret(1), &mesh.state.network());
        let effects = mesh.tell(0, 1, Message::StoreOutput { completion, data: None });
        let bound = (4 * MIB).to_string();
        assert!(matches!(refusals(&effects)[..], [why] if why.contains(&bound)), "{effects:?}");
    }
}

#[test]
fn bytes_that_do_not_fit_are_not_signed_for_and_the_true_ones_still_are() {
    let mut mesh = Mesh::quiet(ONE);
    let (body, signature) = mesh.request(7, b"[1]");
    let with = |data: &[u8]| Message::StoreInput {
        body: body.clone(),
        signature,
        data: Some(data.to_vec()),
    };
    for wrong in [b"[2]".as_slice(), b"", b"[1] "] {
        let effects = mesh.tell(0, 1, with(wrong));
        assert_eq!(refusals(&effects).len(), 1);
        assert!(!effects.iter().any(|e| matches!(e, Effect::Store { .. })));
    }
    let effects = mesh.tell(0, 2, with(b"[1]"));
    assert!(receipts(&effects).is_empty(), "not durable yet");
    let stored = Input::Stored { digest: body.input, result: Ok(()) };
    let effects = mesh.step(0, stored);
    assert!(receipts(&effects).iter().all(|r| r.digest == body.input && r.bytes == 3));
    assert!(sends(&effects).iter().any(|(to, _)| *to == mesh.key(2)));
}

/// A device's request comes in.
fn submit(mesh: &mut Mesh, ticket: u64, nonce: u64) -> Vec<Effect> {
    let (body, signature) = mesh.request(nonce, b"1");
    mesh.step(0, Input::Submit { ticket, body, signature, data: b"1".as_slice().into() })
}

#[track_caller]
fn assert_unavailable(effects: &[Effect], expected: u64) {
    assert!(
        matches!(answers(effects)[..], [(ticket, Answer::Unavailable(_))] if ticket == expected),
        "{effects:?}"
    );
}

#[test]
fn clients_that_wait_for_one_request_are_bounded_and_each_is_answered_once() {
    let mut mesh = Mesh::quiet(ONE);
    for ticket in 0..TICKETS_MAX {
        assert!(answers(&submit(&mut mesh, ticket, 1)).is_empty());
    }
    assert_unavailable(&submit(&mut mesh, TICKETS_MAX, 1), TICKETS_MAX);
    let effects = mesh.wake(0, SUBMIT_MS_MAX);
    let tickets: Vec<u64> = answers(&effects).into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(tickets, (0..TICKETS_MAX).collect::<Vec<u64>>());
    assert!(answers(&mesh.wake(0, SUBMIT_MS_MAX)).is_empty());
}

#[test]
fn requests_on_their_way_are_bounded_and_each_is_answered_once() {
    let mut mesh = Mesh::quiet(ONE);
    for nonce in 0..INTAKES_MAX {
        assert!(answers(&submit(&mut mesh, nonce, nonce)).is_empty());
    }
    assert_unavailable(&submit(&mut mesh, INTAKES_MAX, INTAKES_MAX), INTAKES_MAX);
    assert!(answers(&submit(&mut mesh, INTAKES_MAX + 1, 0)).is_empty(), "joins one");
    let effects = mesh.wake(0, SUBMIT_MS_MAX);
    assert_eq!(answers(&effects).len() as u64, INTAKES_MAX + 1);
    assert!(answers(&submit(&mut mesh, 0, INTAKES_MAX)).is_empty(), "room again");
    assert!(mesh.now_ms < START_MS + 60_000);
}

#[test]
fn artifacts_being_published_are_bounded() {
    let mut mesh = Mesh::quiet(ONE);
    let publish = |mesh: &mut Mesh, n: u64| {
        let contents = digest(n);
        mesh.step(0, Input::Publish { ticket: n, contents, bytes: 1, registry: None })
    };
    for n in 0..PUBLISHES_MAX {
        assert!(answers(&publish(&mut mesh, n)).is_empty());
    }
    assert_unavailable(&publish(&mut mesh, PUBLISHES_MAX), PUBLISHES_MAX);
}

#[test]
fn pieces_waited_for_during_a_load_are_bounded() {
    let mut mesh = Mesh::quiet(ONE);
    let blob = digest(1);
    for offset in 0..SERVES_MAX + 10 {
        let effects = mesh.tell(0, 1, Message::AskPiece { digest: blob, offset });
        let loads = effects.iter().filter(|e| matches!(e, Effect::Load { .. })).count();
        assert_eq!(loads, usize::from(offset == 0));
    }
    let effects = mesh.loaded_none(0, blob);
    assert_eq!(sends(&effects).len() as u64, SERVES_MAX);
    let effects = mesh.tell(0, 1, Message::AskPiece { digest: blob, offset: 0 });
    assert!(effects.contains(&Effect::Load { digest: blob }), "room again");
}
