//! A result is believed whole, and not when any part of it is bent.

use super::{Unbelievable, check, check_none};
use serde_json::json;
use std::collections::BTreeMap;
use trustmesh_api::{RequestView, ResultBundle};
use trustmesh_types::{
    AppId, Digest, NetworkId, SecretKey, TaskId, WorkflowId, canonical,
    evidence::{Completion, SignedCompletion, TaskInput},
    plan::Assignment,
    records::{ActivePlan, RequestRecord, Status},
    request::{Endpoint, RequestBody},
    workflow::{Task, Workflow},
};

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

fn id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

fn workflow() -> Workflow {
    let task = |name: &str, after: &[&str]| Task {
        id: id(name),
        app: AppId::new("app").unwrap(),
        after: after.iter().map(|a| id(a)).collect(),
        params: "{}".into(),
        timeout_ms: 1,
        replicas: 1,
    };
    Workflow {
        id: WorkflowId::new("w").unwrap(),
        tasks: vec![task("first", &[]), task("last", &["first"])],
        scheduler: None,
    }
}

fn body() -> RequestBody {
    RequestBody {
        network: network(),
        device: key(9).public(),
        nonce: 1,
        workflow: WorkflowId::new("w").unwrap(),
        input: Digest::of(b"input"),
        input_bytes: 5,
        result_key: Digest([1; 32]),
        endpoint: Endpoint::Pull,
        persist: false,
        deadline_ms: 1,
    }
}

fn completion(
    task: &str,
    node: u8,
    from: Option<&str>,
    input: Digest,
    output: Digest,
) -> SignedCompletion {
    Completion {
        request: body().id(),
        designation: 1,
        task: id(task),
        node: key(node).public(),
        inputs: vec![TaskInput { from: from.map(id), digest: input }],
        output,
        output_bytes: 1,
        duration_us: 1,
    }
    .sign(&key(node), &network())
}

/// A finalized request as a node shows it, and the result that belongs to it.
pub(crate) fn finalized() -> (RequestView, ResultBundle) {
    let result = json!({"alerts": []});
    let middle = Digest::of(b"middle");
    let completions = vec![
        completion("first", 1, None, body().input, middle),
        completion("last", 2, Some("first"), middle, canonical::digest(&result).unwrap()),
    ];
    let assign = |task: &str, level, node| Assignment {
        task: id(task),
        level,
        nodes: vec![key(node).public()],
    };
    let record = RequestRecord {
        id: body().id(),
        body: body(),
        entry: key(1).public(),
        input_holders: vec![],
        accepted_height: 1,
        accepted_ms: 1,
        status: Status::Finalized,
        designation: 1,
        designated: None,
        in_vain: vec![],
        waiting: None,
        queued_ms: None,
        barred: vec![],
        attempts: 1,
        plan: Some(ActivePlan {
            designation: 1,
            planner: key(1).public(),
            assignments: vec![assign("first", 0, 1), assign("last", 1, 2)],
            reserved: BTreeMap::new(),
            height: 2,
            since_ms: 2,
            deadline_ms: 9,
        }),
        done: BTreeMap::new(),
        completions: completions.clone(),
        result_receipts: vec![],
        reason: None,
        ended_ms: 3,
        changed: 3,
    };
    let view = RequestView::new(&record, &workflow(), vec![]);
    let outputs = BTreeMap::from([(id("last"), result)]);
    (view, ResultBundle { request: body().id(), outputs, completions })
}

fn verdict(bend: impl FnOnce(&mut RequestView, &mut ResultBundle)) -> Result<(), Unbelievable> {
    let (mut view, mut bundle) = finalized();
    bend(&mut view, &mut bundle);
    check(&network(), &body().id(), &view, &bundle)
}

#[test]
fn the_finalized_result_is_believed() {
    assert_eq!(verdict(|_, _| ()), Ok(()));
}

#[test]
fn a_bent_result_is_not() {
    type Bend = fn(&mut RequestView, &mut ResultBundle);
    let cases: [(&str, Bend, &str); 8] = [
        ("another output", |_, b| drop(b.outputs.insert(id("last"), json!(1))), "another digest"),
        ("no output", |_, b| b.outputs.clear(), "no completion"),
        ("an output of no sink", |_, b| drop(b.outputs.insert(id("first"), json!(1))), "no sink"),
        (
            "a missing completion",
            |_, b| drop(b.completions.remove(0)),
            "no completion of task first",
        ),
        ("a bad signature", |_, b| b.completions[1].signature.0[0] ^= 1, "not signed"),
        (
            "a node that was not assigned",
            |_, b| {
                b.completions[0] = completion("first", 3, None, body().input, Digest::of(b"middle"))
            },
            "does not assign",
        ),
        (
            "a completion that is not on the ledger",
            |_, b| {
                b.completions[0] =
                    completion("first", 1, None, Digest::default(), Digest::of(b"middle"))
            },
            "not the one that the ledger finalized",
        ),
        ("a request that is not final", |v, _| v.status = Status::Active, "not finalized"),
    ];
    for (what, bend, part) in cases {
        let message = verdict(bend).unwrap_err().to_string();
        assert!(message.contains(part), "{what}: {message}");
    }
}

#[test]
fn that_there_is_no_result_is_believed_only_of_a_request_that_ended_without_one() {
    let (view, _) = finalized();
    let id = view.id;
    assert_eq!(check_none(&id, &view), Err(Unbelievable::Finalized));
    let with = |status, reason: Option<&str>| RequestView {
        status,
        reason: reason.map(str::to_owned),
        ..view.clone()
    };
    assert_eq!(check_none(&id, &with(Status::Failed, Some("late"))), Ok("late".to_owned()));
    assert!(check_none(&id, &with(Status::Cancelled, None)).is_ok());
    let active = check_none(&id, &with(Status::Active, None));
    assert_eq!(active, Err(Unbelievable::NotFinalized { status: Status::Active }));
    let mut other = with(Status::Failed, Some("late"));
    other.body.nonce += 1;
    assert_eq!(check_none(&id, &other), Err(Unbelievable::OtherBody));
}
