//! C7 from both sides: what holds, what is a fault, what is stale, what is only refused.

use super::fixture::{Mesh, NEEDS};
use crate::tables::Members;
use trustmesh_types::{
    Payload, PolicyId, PublicKey, RequestId,
    plan::Plan,
    policy::{Policy, PolicyScope},
    records::{AppState, Member, Status},
    reject::RejectCode::{OverCapacity, PolicyBroken},
};

impl Mesh {
    fn label(&mut self, at: usize, name: &str, value: &str) {
        let key = self.key(at);
        let mut member = self.store.get::<Members>(&key).unwrap();
        if let Member::Node { info, changed, .. } = &mut member {
            info.labels.insert(name.into(), value.into());
            *changed = self.height;
        }
        self.store.put::<Members>(&key, &member);
    }

    fn set(&mut self, scope: PolicyScope, expression: &str) {
        let tx = self.setting("p", scope, expression);
        self.one(tx).unwrap();
    }

    fn setting(&self, id: &str, scope: PolicyScope, expression: &str) -> (PublicKey, Payload) {
        let policy = Policy {
            id: PolicyId::new(id).unwrap(),
            scope,
            expression: expression.into(),
            message: "the message".into(),
        };
        (self.operator.public(), Payload::SetPolicy(policy))
    }
}

/// Five nodes: zones a, a, b, b, b and vendors x, y, x, y, x; a request of workflow `name`
/// that its designee shall plan, after `policies` were set.
fn planned(name: &str, policies: &[(PolicyScope, &str)]) -> (Mesh, RequestId, Plan) {
    let mut mesh = Mesh::new(5);
    for (at, (zone, vendor)) in
        [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "x")].iter().enumerate()
    {
        mesh.label(at, "zone", zone);
        mesh.label(at, "vendor", vendor);
    }
    for (at, (scope, expression)) in policies.iter().enumerate() {
        let tx = mesh.setting(&format!("p{at}"), *scope, expression);
        mesh.one(tx).unwrap();
    }
    let id = mesh.submit(name);
    let plan = mesh.plan(&id).unwrap();
    (mesh, id, plan)
}

fn on(mesh: &Mesh, plan: &mut Plan, nodes: &[usize]) {
    for (assignment, node) in plan.assignments.iter_mut().zip(nodes.iter().cycle()) {
        assignment.nodes = vec![mesh.key(*node)];
    }
}

const ZONE_A: &str = "node.labels['zone'] == 'a'";
const VENDORS: &str = "distinct(nodes.map(n, n.labels['vendor'])).all(v, \
    nodes.filter(n, n.labels['vendor'] == v).map(n, n.tasks).sum() * 2 <= size(assignments))";
const USED: &str = "nodes.all(n, (n.cpu_millis - n.available_cpu_millis \
    + n.planned_cpu_millis) * 100 <= n.cpu_millis * 50)";

#[test]
fn rules_over_labels_workflow_and_plan_are_a_fault_to_break() {
    type Case = (PolicyScope, &'static str, &'static [usize], &'static [usize]);
    let cases: [Case; 5] = [
        (PolicyScope::Assignment, ZONE_A, &[0, 1], &[0, 1, 2]),
        (PolicyScope::Assignment, "task.id != 'a' || node.labels.zone == 'b'", &[2, 0], &[0, 2]),
        (PolicyScope::Plan, VENDORS, &[0, 1], &[0, 1, 2]),
        (PolicyScope::Plan, "nodes.all(n, n.tasks <= 2)", &[0, 1], &[0, 0, 0, 1]),
        (PolicyScope::Plan, "nodes.all(n, n.planned_cpu_millis <= 2000)", &[0, 1], &[3]),
    ];
    for (scope, expression, good, bad) in cases {
        let (mut mesh, id, mut plan) = planned("w", &[(scope, expression)]);
        on(&mesh, &mut plan, bad);
        let before = mesh.reserved();
        let rejection = mesh.one(mesh.confirm(plan.clone())).unwrap_err();
        assert_eq!((rejection.code, rejection.fault), (PolicyBroken, true), "{expression}");
        assert!(rejection.reason.contains("policy p0"), "{rejection}");
        assert!(rejection.reason.contains("the message"), "{rejection}");
        assert_eq!((mesh.faults(), mesh.reserved()), (1, before), "{expression}");
        assert_eq!(mesh.record(&id).designation, 2, "the next node's turn at once");
        let mut plan = mesh.plan(&id).unwrap();
        on(&mesh, &mut plan, good);
        mesh.one(mesh.confirm(plan)).unwrap();
        assert_eq!(mesh.status(&id), Status::Active, "{expression}");
    }
}

#[test]
fn rules_over_load_are_refused_without_fault() {
    let (mut mesh, _, mut plan) = planned("w", &[(PolicyScope::Plan, USED)]);
    on(&mesh, &mut plan, &[0, 0, 0, 1]);
    assert_eq!(mesh.refuse(mesh.confirm(plan.clone())), (PolicyBroken, false));
    on(&mesh, &mut plan, &[0, 1]);
    mesh.one(mesh.confirm(plan)).unwrap();
    // Of one rule of each kind that a plan breaks, the one that is a fault decides.
    let both = [(PolicyScope::Plan, USED), (PolicyScope::Assignment, ZONE_A)];
    let (mut mesh, _, mut plan) = planned("w", &both);
    on(&mesh, &mut plan, &[2, 2, 2, 1]);
    assert_eq!(mesh.refuse(mesh.confirm(plan)), (PolicyBroken, true));
}

#[test]
fn what_can_not_be_decided_fails_closed_and_charges_nobody() {
    for expression in
        ["1 / (size(nodes) - 2) >= 0", "9223372036854775807 + size(nodes) > 0", "false && true"]
    {
        let (mut mesh, _, mut plan) = planned("w", &[(PolicyScope::Plan, expression)]);
        on(&mesh, &mut plan, &[0, 1]);
        let fault = expression.starts_with("false");
        assert_eq!(mesh.refuse(mesh.confirm(plan)), (PolicyBroken, fault), "{expression}");
    }
}

#[test]
fn a_plan_made_before_a_record_changed_is_stale() {
    type Change = fn(&mut Mesh);
    let changes: [(&str, Change, bool); 4] = [
        ("the policy", |m| m.set(PolicyScope::Assignment, ZONE_A), false),
        (
            "a policy of the same name",
            |m| {
                m.set(PolicyScope::Plan, "false");
                m.set(PolicyScope::Assignment, ZONE_A);
            },
            false,
        ),
        (
            "another node",
            |m| {
                m.block(1, vec![]);
                m.label(4, "zone", "c");
            },
            true,
        ),
        (
            "the node",
            |m| {
                m.block(1, vec![]);
                m.label(2, "zone", "c");
            },
            false,
        ),
    ];
    for (what, change, fault) in changes {
        let already = [(PolicyScope::Assignment, ZONE_A)];
        let before: &[_] = if what.contains("policy") { &[] } else { &already };
        let (mut mesh, _, mut plan) = planned("w", before);
        on(&mesh, &mut plan, &[0, 1, 2]);
        change(&mut mesh);
        assert_eq!(mesh.refuse(mesh.confirm(plan)), (PolicyBroken, fault), "{what}");
    }
    // In the same block as the plan, before it: the planner can't have seen it.
    let (mut mesh, _, mut plan) = planned("w", &[]);
    on(&mesh, &mut plan, &[2]);
    let set = mesh.setting("p", PolicyScope::Assignment, ZONE_A);
    let confirm = mesh.confirm(plan.clone());
    let results = mesh.block(10, vec![set, confirm]);
    let rejection = results[1].clone().unwrap_err();
    assert_eq!((rejection.code, rejection.fault), (PolicyBroken, false), "{rejection}");
    // Of a rule over the whole plan, each application counts.
    let asked = [(PolicyScope::Plan, "nodes.all(n, n.planned_cpu_millis <= 4000)")];
    let (mut mesh, _, mut plan) = planned("w", &asked);
    on(&mesh, &mut plan, &[0]);
    mesh.block(1, vec![]);
    let more = trustmesh_types::resources::Resources { cpu_millis: NEEDS.cpu_millis, ..NEEDS };
    mesh.put_app(AppState::Running, more);
    mesh.one(mesh.confirm(plan)).unwrap();
}

#[test]
fn c1_to_c6_come_first_and_a_removed_policy_is_asked_no_more() {
    let (mut mesh, _, mut plan) = planned("w", &[(PolicyScope::Assignment, ZONE_A)]);
    mesh.block(1, vec![mesh.report(2, 1)]);
    on(&mesh, &mut plan, &[2]);
    assert_eq!(mesh.refuse(mesh.confirm(plan.clone())), (OverCapacity, false));
    let policy = PolicyId::new("p0").unwrap();
    mesh.one((mesh.operator.public(), Payload::RemovePolicy { policy })).unwrap();
    on(&mesh, &mut plan, &[2, 3]);
    mesh.one(mesh.confirm(plan)).unwrap();
}

#[test]
fn a_request_that_waits_for_a_policy_goes_on_when_it_changes() {
    let (mut mesh, id, _) = planned("one", &[(PolicyScope::Assignment, "false")]);
    while mesh.record(&id).designated.is_some() {
        mesh.one(mesh.decline(&id)).unwrap();
    }
    assert!(mesh.record(&id).waiting.is_some());
    mesh.block(10, vec![]);
    assert!(mesh.record(&id).waiting.is_some(), "nothing changed");
    let tx = mesh.setting("p0", PolicyScope::Assignment, "true");
    mesh.one(tx).unwrap();
    mesh.block(10, vec![]);
    assert!(mesh.record(&id).designated.is_some(), "{:?}", mesh.record(&id).waiting);
    mesh.activate(&id);
}

#[test]
fn a_plan_that_has_nothing_to_assign_is_not_judged() {
    let (mut mesh, id, _) = planned("w", &[]);
    mesh.activate(&id);
    let failing = mesh.assigned(&id, "d")[0];
    let progress = mesh.record_progress(&id, &["a", "b", "c", "d"]);
    mesh.one(mesh.failure(&id, "d", failing)).unwrap();
    mesh.one(progress).unwrap();
    mesh.set(PolicyScope::Plan, "size(nodes) == 1");
    let plan = mesh.plan(&id).unwrap();
    assert!(plan.assignments.is_empty());
    mesh.one(mesh.confirm(plan)).unwrap();
    assert_eq!(mesh.status(&id), Status::Active);
}
