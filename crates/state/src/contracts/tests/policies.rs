//! Policies: who may set them, what is none, how many there may be.

use super::{refuses, takes};
use crate::fixture::{Net, Tx, clerk, device, secret};
use trustmesh_types::{
    Payload, PolicyId,
    events::Event,
    limits,
    policy::{Policy, PolicyScope},
    reject::RejectCode::{InvalidPolicy, UnknownPolicy, WrongRole},
};

fn policy(id: &str, expression: &str) -> Policy {
    Policy {
        id: PolicyId::new(id).unwrap(),
        scope: PolicyScope::Assignment,
        expression: expression.into(),
        message: "stay in zone a".into(),
    }
}

fn set(id: &str, expression: &str) -> Tx {
    (clerk().public(), Payload::SetPolicy(policy(id, expression)))
}

fn remove(id: &str) -> Tx {
    (clerk().public(), Payload::RemovePolicy { policy: PolicyId::new(id).unwrap() })
}

#[test]
fn operators_set_what_compiles() {
    let net = Net::new();
    let good = "node.labels['zone'] == 'a'";
    let long = format!("{good} || {}", "true||".repeat(200));
    let mut silent = policy("p", good);
    silent.message.clear();
    refuses(
        &net,
        vec![
            ("by a device", (device().public(), set("p", good).1), WrongRole),
            ("by a node", (secret(1).public(), set("p", good).1), WrongRole),
            ("no CEL", set("p", "node.labels['zone'] == "), InvalidPolicy),
            ("no bool", set("p", "1"), InvalidPolicy),
            ("a float", set("p", "node.cpu_millis > 0.5"), InvalidPolicy),
            ("the plan of a pair", set("p", "size(nodes) > 1"), InvalidPolicy),
            ("too long", set("p", &long), InvalidPolicy),
            ("no message", (clerk().public(), Payload::SetPolicy(silent)), InvalidPolicy),
            ("removing nothing", remove("p"), UnknownPolicy),
            ("removing by a device", (device().public(), remove("p").1), WrongRole),
        ],
    );
    takes(&net, vec![("a zone", set("p", good)), ("anything", set("p", "true"))]);
}

#[test]
fn a_policy_is_replaced_by_its_name_and_removed() {
    let mut net = Net::new();
    let id = PolicyId::new("p").unwrap();
    let executed = net.block(10, vec![set("p", "true")]);
    assert_eq!(executed.events, [Event::PolicySet { policy: id.clone() }]);
    net.one(set("p", "node.arch == 'x86_64'")).unwrap();
    let record = net.state.policy(&id).unwrap();
    assert_eq!(record.policy, policy("p", "node.arch == 'x86_64'"));
    assert_eq!((record.setter, record.changed), (clerk().public(), net.state.height()));
    assert_eq!(net.state.policies().count(), 1);
    let restored = crate::State::restore(&net.state.snapshot()).unwrap();
    assert_eq!(restored.policy(&id), Some(record));
    let executed = net.block(10, vec![remove("p")]);
    assert_eq!(executed.events, [Event::PolicyRemoved { policy: id }]);
    assert_eq!(net.state.policies().count(), 0);
}

#[test]
fn their_number_is_bounded_and_replacing_still_goes() {
    let mut net = Net::new();
    net.applied((0..limits::POLICIES_MAX).map(|n| set(&format!("p{n}"), "true")).collect());
    assert_eq!(net.one(set("one-more", "true")).unwrap_err().code, InvalidPolicy);
    net.one(set("p0", "false")).unwrap();
    net.one(remove("p0")).unwrap();
    net.one(set("one-more", "true")).unwrap();
}
