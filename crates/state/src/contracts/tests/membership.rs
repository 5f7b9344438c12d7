//! Who may join, and in what form.

use super::{refuses, takes};
use crate::fixture::{CAPACITY, Net, Tx, clerk, device, node_info, operator, secret};
use trustmesh_types::{
    Payload, PublicKey,
    records::{NodeInfo, NodeRoles, Runtime},
    reject::RejectCode::{InvalidValue, MemberExists, UnknownMember, WrongRole},
    resources::Resources,
};

fn admit(change: impl FnOnce(&mut NodeInfo)) -> Tx {
    let mut info = node_info(secret(50).public(), false);
    change(&mut info);
    (operator().public(), Payload::AdmitNode(info))
}

fn register(key: u8, name: &str) -> Tx {
    let device = secret(key).public();
    (operator().public(), Payload::RegisterDevice { device, name: name.into() })
}

/// A device whose signatures anybody could make.
fn zeros() -> Tx {
    let device = PublicKey([0; 32]);
    (operator().public(), Payload::RegisterDevice { device, name: "d".into() })
}

#[test]
fn nodes_are_admitted_within_bounds_only() {
    let net = Net::new();
    let roles = |scheduler, worker| NodeRoles { validator: false, scheduler, worker };
    refuses(
        &net,
        vec![
            ("a node admits", (secret(1).public(), admit(|_| ()).1), WrongRole),
            ("a device admits", (device().public(), admit(|_| ()).1), WrongRole),
            ("a node's key", admit(|i| i.key = secret(1).public()), MemberExists),
            ("an operator's key", admit(|i| i.key = clerk().public()), MemberExists),
            ("a device's key", admit(|i| i.key = device().public()), MemberExists),
            ("no role", admit(|i| i.roles = roles(false, false)), InvalidValue),
            ("no name", admit(|i| i.name.clear()), InvalidValue),
            ("a long name", admit(|i| i.name = "n".repeat(65)), InvalidValue),
            ("a path for a name", admit(|i| i.name = "../n".into()), InvalidValue),
            ("zeros for a key", admit(|i| i.key = PublicKey([0; 32])), InvalidValue),
            ("two lines", admit(|i| i.name = "a\nb".into()), InvalidValue),
            ("no arch", admit(|i| i.arch.clear()), InvalidValue),
            ("no port", admit(|i| i.p2p_address = "host".into()), InvalidValue),
            ("port 0", admit(|i| i.p2p_address = "host:0".into()), InvalidValue),
            ("a huge port", admit(|i| i.http_address = "host:65536".into()), InvalidValue),
            ("a signed port", admit(|i| i.http_address = "host:+1".into()), InvalidValue),
            ("no host", admit(|i| i.http_address = ":80".into()), InvalidValue),
            ("a path", admit(|i| i.http_address = "http://host:80".into()), InvalidValue),
            ("a bare IPv6", admit(|i| i.http_address = "::1:80".into()), InvalidValue),
            ("runtime twice", admit(|i| i.runtimes = vec![Runtime::Wasm; 2]), InvalidValue),
            ("no capacity", admit(|i| i.capacity = Resources::ZERO), InvalidValue),
            ("no memory", admit(|i| i.capacity.memory_bytes = 0), InvalidValue),
            (
                "33 labels",
                admit(|i| {
                    i.labels = (0..33).map(|n| (format!("l{n}"), "v".into())).collect();
                }),
                InvalidValue,
            ),
            (
                "an empty label",
                admit(|i| drop(i.labels.insert("zone".into(), String::new()))),
                InvalidValue,
            ),
            (
                "a long label",
                admit(|i| drop(i.labels.insert("zone".into(), "v".repeat(513)))),
                InvalidValue,
            ),
        ],
    );
    takes(
        &net,
        vec![
            ("plain", admit(|_| ())),
            ("a validator", admit(|i| i.roles.validator = true)),
            ("any operator", (clerk().public(), admit(|_| ()).1)),
            ("the longest name", admit(|i| i.name = "n".repeat(64))),
            ("IPv6", admit(|i| i.p2p_address = "[2001:db8::1]:65535".into())),
            (
                "a scheduler without capacity",
                admit(|i| {
                    i.roles = roles(true, false);
                    i.capacity = Resources::ZERO;
                }),
            ),
            (
                "32 labels",
                admit(|i| {
                    i.labels = (0..32).map(|n| (format!("l{n}"), "v".repeat(512))).collect();
                }),
            ),
            ("disk", admit(|i| i.capacity = Resources { disk_bytes: 1, ..CAPACITY })),
        ],
    );
}

#[test]
fn devices_come_and_go_and_come_again() {
    let mut net = Net::new();
    let revoke =
        |key: u8| (operator().public(), Payload::RevokeDevice { device: secret(key).public() });
    refuses(
        &net,
        vec![
            ("by a node", (secret(1).public(), register(60, "d").1), WrongRole),
            ("revoked by a device", (device().public(), revoke(110).1), WrongRole),
            ("twice", register(110, "d"), MemberExists),
            ("a node", register(1, "d"), MemberExists),
            ("no name", register(60, ""), InvalidValue),
            ("zeros for a key", zeros(), InvalidValue),
            ("a long name", register(60, &"d".repeat(65)), InvalidValue),
            ("revoking nobody", revoke(60), UnknownMember),
            ("revoking a node", revoke(1), UnknownMember),
            ("revoking an operator", revoke(100), UnknownMember),
        ],
    );
    net.one(register(60, "d")).unwrap();
    net.one(revoke(60)).unwrap();
    assert!(net.state.device(&secret(60).public()).unwrap().revoked);
    assert_eq!(net.one(revoke(60)).unwrap_err().code, UnknownMember, "no longer registered");
    net.one(register(60, "again")).unwrap();
    let view = net.state.device(&secret(60).public()).unwrap();
    assert!(!view.revoked && view.name == "again");
}
