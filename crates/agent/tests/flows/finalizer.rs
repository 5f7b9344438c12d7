//! Who finalizes (PROTOCOL §4, Finalization): the node of the last sink; when it is silent
//! the plan's other nodes in turn, each a timeout later.

use super::common::{CHAIN, Mail, Mesh, Setup, task_id};
use trustmesh_types::{
    Digest, Payload, RequestId, evidence::Finalization, message::Message, request::StorageReceipt,
};

const TIMEOUT_MS: u64 = 1_000;

/// An active request, each task at another node, and the nodes in their turn to finalize.
fn active() -> (Mesh, RequestId, [usize; 3]) {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    assert_eq!(mesh.state.parameters().finalization_timeout_ms, TIMEOUT_MS);
    let id = mesh.submit_until_active();
    let turns = ["c", "b", "a"].map(|task| mesh.nodes_of(&id, task)[0]);
    (mesh, id, turns)
}

/// The finalizations that nodes tried, with when and who.
fn finalizations(mesh: &Mesh) -> Vec<(u64, usize, &Finalization)> {
    let tried = mesh.transacted.iter().filter_map(|(at_ms, from, payload)| match payload {
        Payload::Finalize(finalization) => Some((*at_ms, *from, finalization)),
        _ => None,
    });
    tried.collect()
}

fn is_ask(mail: &Mail) -> bool {
    matches!(mail.message, Message::AskCompletions { .. })
}

#[test]
fn the_node_of_the_last_sink_finalizes_alone_and_at_once() {
    let (mut mesh, id, turns) = active();
    let since_ms = mesh.now_ms;
    mesh.result(&id, 2_000);
    let tried = finalizations(&mesh);
    assert_eq!(tried.len(), 1);
    assert_eq!(tried[0].1, turns[0]);
    assert!(tried[0].0 < since_ms + 100);
    assert_eq!(tried[0].2.completions.len(), 3);
}

#[test]
fn the_next_in_turn_takes_over_after_the_timeout_and_not_earlier() {
    let (mut mesh, id, turns) = active();
    let silent = turns[0];
    mesh.censor =
        Box::new(move |at, payload| at == silent && matches!(payload, Payload::Finalize(_)));
    let since_ms = mesh.now_ms;
    mesh.result(&id, 10_000);
    let others: Vec<_> =
        finalizations(&mesh).into_iter().filter(|(_, from, _)| *from != silent).collect();
    let (at_ms, from, _) = others[0];
    assert_eq!(from, turns[1]);
    assert!(at_ms >= since_ms + TIMEOUT_MS, "after {} ms", at_ms - since_ms);
    assert!(at_ms <= since_ms + 3 * TIMEOUT_MS, "after {} ms", at_ms - since_ms);
    let asks: Vec<&Mail> = mesh.mail.iter().filter(|m| m.from == turns[1] && is_ask(m)).collect();
    assert!(asks.iter().any(|m| m.to == silent), "it asked for the last sink");
    assert!(asks.iter().all(|m| m.to != silent || m.at_ms >= since_ms + TIMEOUT_MS));
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn who_takes_over_gathers_receipts_that_the_lost_node_did_not_share() {
    let (mut mesh, id, turns) = active();
    let silent = turns[0];
    mesh.censor =
        Box::new(move |at, payload| at == silent && matches!(payload, Payload::Finalize(_)));
    // The silent node says what it completed, but neither gives receipts nor shares any.
    mesh.wire = Box::new(move |from, _, message| {
        let receipt = matches!(message, Message::Receipts { .. } | Message::Stored(_));
        (from != silent || !receipt).then_some(message)
    });
    mesh.result(&id, 10_000);
    let second = turns[1];
    let gathered = mesh.mail.iter().any(|m| {
        m.from == second
            && matches!(&m.message, Message::StoreOutput { completion, .. }
            if completion.completion.node == mesh.key(silent))
    });
    assert!(gathered);
    let receipts = &mesh.record(&id).result_receipts;
    assert!(receipts.iter().all(|r| mesh.place(&r.validator) != silent));
    assert_eq!(receipts.len(), 2, "f+1 of four");
}

#[test]
fn the_third_takes_over_when_two_are_silent_and_later_than_the_second_would() {
    let (mut mesh, id, turns) = active();
    mesh.censor = Box::new(move |at, payload| {
        turns[..2].contains(&at) && matches!(payload, Payload::Finalize(_))
    });
    let since_ms = mesh.now_ms;
    mesh.result(&id, 10_000);
    let tried = finalizations(&mesh);
    let first_by = |at: usize| tried.iter().find(|(_, from, _)| *from == at).unwrap().0;
    assert!(first_by(turns[2]) >= since_ms + 2 * TIMEOUT_MS);
    assert!(first_by(turns[1]) < first_by(turns[2]));
    assert_eq!(mesh.record(&id).attempts, 1);
}

#[test]
fn receipts_of_another_length_do_not_stand_in_the_way() {
    let (mut mesh, id, turns) = active();
    let finalizer = turns[0];
    // A validator tells every node of the plan that it holds one byte more of the result.
    let liar = (0..4).find(|at| !turns.contains(at)).unwrap();
    let holders = [liar, turns[0], turns[1]];
    let receipts: Vec<StorageReceipt> = holders
        .map(|at| {
            let bytes = if at == liar { 6 } else { 5 };
            let digest = Digest::of(b"[\"c\"]");
            let network = mesh.state.network();
            StorageReceipt::sign(&mesh.secret(at), &network, id.0, digest, bytes)
        })
        .into();
    // Nobody gathers receipts, so that these are all there are.
    mesh.wire = Box::new(|_, _, message| {
        (!matches!(message, Message::StoreOutput { .. })).then_some(message)
    });
    let gathers = |m: &Mail| matches!(m.message, Message::StoreOutput { .. });
    mesh.run(1_000, |m| m.mail.iter().any(gathers));
    for receipt in receipts {
        let (request, task) = (id, task_id("c"));
        let told = Message::Receipts { request, task, receipts: vec![receipt] };
        let effects = mesh.tell(finalizer, liar, told);
        mesh.carry_out(finalizer, effects);
    }
    mesh.run(1_000, |m| m.finalized(&id));
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}
