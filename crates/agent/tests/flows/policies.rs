//! Planning under network-defined rules (PROTOCOL rule C7): agents keep to them, and decline
//! with their names where they can't.

use super::common::{CHAIN, Mesh, Setup};
use trustmesh_types::{
    Payload, PolicyId,
    policy::{Policy, PolicyScope},
    records::Status,
};

fn policy(scope: PolicyScope, expression: String) -> Payload {
    Payload::SetPolicy(Policy {
        id: PolicyId::new("p").unwrap(),
        scope,
        expression,
        message: "the message".into(),
    })
}

#[test]
fn plans_of_agents_keep_to_policies_of_both_scopes() {
    let mut mesh = Mesh::with(&Setup::of(CHAIN));
    let only = mesh.key(2);
    mesh.operate(policy(PolicyScope::Assignment, format!("node.key == '{only}'")));
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 5_000);
    let assigned = |mesh: &Mesh, id| mesh.record(id).plan.unwrap().assignments;
    assert!(assigned(&mesh, &id).iter().all(|a| a.nodes == [only]));
    mesh.operate(policy(PolicyScope::Plan, "nodes.all(n, n.tasks == 1)".into()));
    for ticket in 2..6 {
        let id = mesh.submit(0, ticket, b"1");
        mesh.result(&id, 5_000);
        let mut nodes: Vec<_> = assigned(&mesh, &id).into_iter().flat_map(|a| a.nodes).collect();
        let all = nodes.len();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), all, "each on a node of its own");
    }
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn what_no_node_meets_waits_with_the_policy_s_name_and_goes_on_when_it_changes() {
    for scope in [PolicyScope::Assignment, PolicyScope::Plan] {
        let mut mesh = Mesh::with(&Setup::of(CHAIN));
        mesh.operate(policy(scope, "request.persist && !request.persist".into()));
        let id = mesh.submit(0, 1, b"1");
        mesh.run(5_000, |m| m.state.request(&id).is_some_and(|r| r.waiting.is_some()));
        let reason = mesh.record(&id).waiting.unwrap();
        assert!(reason.contains("policy p") && reason.contains("the message"), "{reason}");
        assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
        mesh.operate(policy(scope, "true".into()));
        mesh.result(&id, 10_000);
        assert_eq!(mesh.record(&id).status, Status::Finalized);
    }
}
