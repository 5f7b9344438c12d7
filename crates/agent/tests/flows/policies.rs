//! Planning under network-defined rules (PROTOCOL rule C7): agents keep to them, and decline
//! with their names where they can't.

use super::common::{CHAIN, Mesh, Setup};
use trustmesh_types::{
    Payload, PolicyId, RequestId,
    policy::{Policy, PolicyScope},
    records::Status,
};

/// Sets the one policy, and waits until the ledger has it.
fn set(mesh: &mut Mesh, scope: PolicyScope, expression: &str) {
    let id = PolicyId::new("p").unwrap();
    let (expression, message) = (expression.to_owned(), "the message".to_owned());
    let policy = Policy { id: id.clone(), scope, expression, message };
    mesh.operate(Payload::SetPolicy(policy.clone()));
    mesh.run(5_000, |m| m.state.policy(&id).is_some_and(|record| record.policy == policy));
}

#[test]
fn plans_of_agents_keep_to_policies_of_both_scopes() {
    let mut mesh = Mesh::with(&Setup::of(CHAIN));
    let only = mesh.key(2);
    set(&mut mesh, PolicyScope::Assignment, &format!("node.key == '{only}'"));
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 5_000);
    let assigned = |mesh: &Mesh, id: &RequestId| mesh.record(id).plan.unwrap().assignments;
    assert!(assigned(&mesh, &id).iter().all(|a| a.nodes == [only]));
    set(&mut mesh, PolicyScope::Plan, "nodes.all(n, n.tasks == 1)");
    for n in 2..6_u8 {
        let id = mesh.submit(0, n.into(), n.to_string().as_bytes());
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
        set(&mut mesh, scope, "request.persist && !request.persist");
        let id = mesh.submit(0, 1, b"1");
        mesh.run(5_000, |m| m.state.request(&id).is_some_and(|r| r.waiting.is_some()));
        let reason = mesh.record(&id).waiting.unwrap();
        assert!(reason.contains("policy p") && reason.contains("the message"), "{reason}");
        assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
        set(&mut mesh, scope, "true");
        mesh.result(&id, 10_000);
        assert_eq!(mesh.record(&id).status, Status::Finalized);
    }
}
