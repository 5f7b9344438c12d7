//! Workflows, resources and notes.

use super::{refuses, takes};
use crate::fixture::{CAPACITY, Net, START_MS, Tx, clerk, device, operator, secret, workflow};
use trustmesh_types::{
    AppId, Digest, Payload, WorkflowId, codec,
    events::Event,
    genesis::{Parameters, ParametersChange},
    limits,
    records::AppState,
    reject::RejectCode::{
        InvalidValue, InvalidWorkflow, Outdated, UnknownApp, UnknownWorkflow, WorkflowExists,
        WorkflowRetired, WrongRole,
    },
    resources::{ResourceReport, Resources, Snapshot},
    workflow::Workflow,
};

fn create(change: impl FnOnce(&mut Workflow)) -> Tx {
    let mut new = workflow("new", &[("a", &[]), ("b", &["a"])], 1);
    change(&mut new);
    (clerk().public(), Payload::CreateWorkflow(new))
}

fn edges(edges: &[(&str, &[&str])]) -> Tx {
    (clerk().public(), Payload::CreateWorkflow(workflow("new", edges, 1)))
}

fn retire(name: &str) -> Tx {
    let workflow = WorkflowId::new(name).unwrap();
    (clerk().public(), Payload::RetireWorkflow { workflow })
}

#[test]
fn workflows_are_bounded_graphs_of_known_applications() {
    let mut net = Net::new();
    let params = |text: &str| {
        let text = text.to_owned();
        create(|w| w.tasks[0].params = text)
    };
    refuses(
        &net,
        vec![
            ("by a device", (device().public(), create(|_| ()).1), WrongRole),
            ("a used name", create(|w| w.id = WorkflowId::new("one").unwrap()), WorkflowExists),
            ("no task", create(|w| w.tasks.clear()), InvalidWorkflow),
            ("a self-loop", edges(&[("a", &["a"])]), InvalidWorkflow),
            ("a cycle", edges(&[("a", &["b"]), ("b", &["a"])]), InvalidWorkflow),
            ("a double edge", edges(&[("a", &[]), ("b", &["a", "a"])]), InvalidWorkflow),
            ("an unknown task", edges(&[("a", &["x"])]), InvalidWorkflow),
            ("no replica", create(|w| w.tasks[0].replicas = 0), InvalidWorkflow),
            ("no time", create(|w| w.tasks[0].timeout_ms = 0), InvalidWorkflow),
            ("no JSON", params("{x}"), InvalidWorkflow),
            ("no object", params("[]"), InvalidWorkflow),
            ("spaces", params("{ }"), InvalidWorkflow),
            ("keys out of order", params(r#"{"b":1,"a":2}"#), InvalidWorkflow),
            ("a number not in its form", params(r#"{"a":1.0}"#), InvalidWorkflow),
            ("no app", create(|w| w.tasks[1].app = AppId::new("x").unwrap()), UnknownApp),
            ("no scheduler name", create(|w| w.scheduler = Some(String::new())), InvalidWorkflow),
            (
                "a scheduler that does not exist",
                create(|w| w.scheduler = Some("fifo".into())),
                InvalidWorkflow,
            ),
            ("retiring nothing", retire("new"), UnknownWorkflow),
            ("retiring by a node", (secret(1).public(), retire("one").1), WrongRole),
        ],
    );
    takes(
        &net,
        vec![
            ("plain", create(|_| ())),
            ("params", params(r#"{"a":[1,2.5],"b":{"c":null}}"#)),
            ("a scheduler", create(|w| w.scheduler = Some("lcdwrr3".into()))),
        ],
    );
    net.one(retire("one")).unwrap();
    assert_eq!(net.one(retire("one")).unwrap_err().code, WorkflowRetired);
    let again = create(|w| w.id = WorkflowId::new("one").unwrap());
    assert_eq!(net.one(again).unwrap_err().code, WorkflowExists, "names are used once");
    let app = AppId::new("app").unwrap();
    let remove = Payload::SetAppState { app, wanted: AppState::Removed };
    net.one((operator().public(), remove)).unwrap();
    assert_eq!(net.one(create(|_| ())).unwrap_err().code, UnknownApp, "removed");
}

fn report(n: u8, taken_ms: u64, batch_len: u32, foreign: Resources) -> Tx {
    let newest = Snapshot { taken_ms, foreign };
    let report = ResourceReport { newest, batch_root: Digest([3; 32]), batch_len };
    (secret(n).public(), Payload::ReportResources(report))
}

#[test]
fn reports_are_newer_each_time_and_capped() {
    let mut net = Net::new();
    let now_ms = net.state.timestamp_ms();
    let last_ms = net.state.node(&secret(1).public()).unwrap().load.snapshot.unwrap().taken_ms;
    let (zero, next_ms) = (Resources::ZERO, last_ms + 1);
    refuses(
        &net,
        vec![
            ("by an operator", (operator().public(), report(1, next_ms, 1, zero).1), WrongRole),
            ("an empty batch", report(1, next_ms, 0, zero), InvalidValue),
            ("a long batch", report(1, next_ms, 7, zero), InvalidValue),
            ("the same time", report(1, last_ms, 1, zero), InvalidValue),
            ("an earlier time", report(1, START_MS - 1, 1, zero), InvalidValue),
        ],
    );
    let all = Resources { cpu_millis: u64::MAX, memory_bytes: u64::MAX, disk_bytes: u64::MAX };
    net.one(report(1, next_ms, 6, all)).unwrap();
    let view = net.state.node(&secret(1).public()).unwrap();
    assert_eq!(view.load.snapshot.unwrap().foreign, CAPACITY, "what it claims is capped");
    assert_eq!(view.available(), Resources::ZERO);
    let lifetime_ms = net.state.parameters().snapshot_lifetime_ms();
    assert_eq!(view.load.live_until_ms, now_ms + 10 + lifetime_ms);
    assert_eq!(view.load.batch_root, Digest([3; 32]));
}

#[test]
fn a_snapshot_expires_by_its_deadline_and_a_report_puts_it_off() {
    let mut net = Net::new();
    let lifetime_ms = net.state.parameters().snapshot_lifetime_ms();
    net.block(lifetime_ms / 2, vec![]);
    let fresh = net.report(1);
    net.one(fresh).unwrap();
    let executed = net.block(lifetime_ms / 2, vec![]);
    let expired: Vec<_> =
        executed.events.iter().filter(|e| matches!(e, Event::ResourcesExpired { .. })).collect();
    assert_eq!(expired.len(), 5, "all but the one that reported");
    let live = |n: u8| net.state.node(&secret(n).public()).unwrap().load.snapshot.is_some();
    assert!(live(1) && !live(2));
    let due_ms = net.state.node(&secret(1).public()).unwrap().load.live_until_ms;
    assert_eq!(net.state.next_deadline_ms(), Some(due_ms));
    let earlier = report(2, START_MS, 1, Resources::ZERO);
    net.one(earlier).unwrap();
}

#[test]
fn notes_are_bounded() {
    let note = |len: usize| (device().public(), Payload::Note { bytes: vec![7; len] });
    let net = Net::new();
    refuses(&net, vec![("too long", note(limits::NOTE_BYTES_MAX + 1), InvalidValue)]);
    takes(&net, vec![("empty", note(0)), ("the longest", note(limits::NOTE_BYTES_MAX))]);
}

fn change(net: &Net, change: impl FnOnce(&mut Parameters)) -> ParametersChange {
    let mut parameters = net.state.parameters().clone();
    let replaces = Digest::of(&codec::encode(&parameters));
    change(&mut parameters);
    ParametersChange { parameters, replaces }
}

#[test]
fn operators_change_parameters_from_the_next_block_on() {
    let mut net = Net::new();
    let set = |change: ParametersChange| (clerk().public(), Payload::SetParameters(change));
    let faster = change(&net, |p| p.generation_timeout_ms = 300);
    let unread = ParametersChange { replaces: Digest::default(), ..faster.clone() };
    let by_device = (device().public(), Payload::SetParameters(faster.clone()));
    refuses(
        &net,
        vec![
            ("by a device", by_device, WrongRole),
            ("made on others", set(unread), Outdated),
            ("a zero", set(change(&net, |p| p.fault_limit = 0)), InvalidValue),
            ("a fixed one", set(change(&net, |p| p.leader_timeout_ms += 1)), InvalidValue),
            ("no scheduler", set(change(&net, |p| p.scheduler = "x".into())), InvalidValue),
        ],
    );
    let executed = net.block(10, vec![set(faster.clone())]);
    assert_eq!(executed.events, [Event::ParametersChanged]);
    assert_eq!(net.state.parameters().generation_timeout_ms, 300);
    assert_eq!(
        crate::State::restore(&net.state.snapshot()).unwrap().parameters(),
        &faster.parameters
    );
    refuses(&net, vec![("once more", set(faster), Outdated)]);
}
