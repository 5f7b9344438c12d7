//! A genesis that no network can start from is refused, with what is wrong with it.

use trustmesh_types::{
    PublicKey, SecretKey,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::{MIB, Resources},
};

type Change = fn(&mut Genesis);

fn key(n: u8) -> PublicKey {
    SecretKey::from_seed([n; 32]).public()
}

fn node(n: u8) -> NodeInfo {
    NodeInfo {
        key: key(n),
        name: format!("node-{n}"),
        roles: NodeRoles::ALL,
        labels: Default::default(),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: MIB, disk_bytes: 0 },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".into(),
        p2p_address: format!("127.0.0.1:{n}00"),
        http_address: format!("127.0.0.1:{n}01"),
    }
}

fn genesis() -> Genesis {
    let operator = OperatorInfo { key: key(100), name: "operator".into(), publisher: true };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".into(),
        created_ms: 1,
        parameters: Parameters::default(),
        operators: vec![operator],
        nodes: (1..=4).map(node).collect(),
    }
}

#[test]
fn a_network_starts_from_a_good_one() {
    genesis().validate().unwrap();
    let changes: [Change; 3] = [
        |g| g.nodes[0].name = "n".repeat(64),
        |g| g.nodes[0].name = "N_.-9".into(),
        |g| g.parameters.scheduler = "round_robin".into(),
    ];
    for change in changes {
        let mut good = genesis();
        change(&mut good);
        good.validate().unwrap();
        assert_ne!(good.network_id(), genesis().network_id());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases: [(&str, Change, &[&str]); 21] = [
        ("version", |g| g.version = 9, &["version 9"]),
        ("too few validators", |g| drop(g.nodes.pop()), &["3 validators", "4"]),
        ("no vote", |g| g.nodes[0].roles.validator = false, &["3 validators"]),
        ("no operator", |g| g.operators.clear(), &["no operator"]),
        ("a key twice", |g| g.nodes[3].key = key(1), &["twice"]),
        ("an operator's key", |g| g.operators[0].key = key(1), &["twice"]),
        ("a name twice", |g| g.nodes[3].name = "node-1".into(), &["node-1", "name of its own"]),
        (
            "a p2p address twice",
            |g| g.nodes[3].p2p_address = "127.0.0.1:100".into(),
            &["127.0.0.1:100", "node-4"],
        ),
        (
            "an HTTP address twice",
            |g| g.nodes[3].http_address = "127.0.0.1:101".into(),
            &["127.0.0.1:101", "node-4"],
        ),
        (
            "one address for both",
            |g| g.nodes[3].http_address = "127.0.0.1:400".into(),
            &["127.0.0.1:400", "node-4"],
        ),
        ("no name", |g| g.nodes[0].name.clear(), &["folder"]),
        ("a path", |g| g.nodes[0].name = "../x".into(), &["../x", "folder"]),
        ("a slash", |g| g.nodes[0].name = "a/b".into(), &["a/b", "folder"]),
        ("hidden", |g| g.nodes[0].name = ".ssh".into(), &[".ssh", "folder"]),
        ("a space", |g| g.nodes[0].name = "a b".into(), &["a b", "folder"]),
        ("a long name", |g| g.nodes[0].name = "n".repeat(65), &["folder"]),
        ("zeros as key", |g| g.nodes[0].key = PublicKey([0; 32]), &["small order", "generate"]),
        ("an operator of order 1", |g| g.operators[0].key.0 = order_1(), &["small order"]),
        ("no point", |g| g.nodes[0].key = no_point(), &["no point of the curve"]),
        ("scheduler", |g| g.parameters.scheduler = "fifo".into(), &["fifo", "lcdwrr, lcdwrr3"]),
        (
            "leader timeout",
            |g| g.parameters.leader_timeout_ms = g.parameters.idle_interval_ms,
            &["leader_timeout_ms"],
        ),
    ];
    for (what, change, parts) in cases {
        let mut bad = genesis();
        change(&mut bad);
        let refused = bad.validate().unwrap_err().to_string();
        for part in parts {
            assert!(refused.contains(part), "{what}: {refused}");
        }
    }
}

fn order_1() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}

/// About half of all texts are none; zeros, were there none, would fail the test.
fn no_point() -> PublicKey {
    let text = |n: u8| PublicKey([n; 32]);
    (0..=255)
        .map(text)
        .find(|k| k.check().is_err_and(|e| e.to_string().contains("no point")))
        .unwrap_or(PublicKey([0; 32]))
}
