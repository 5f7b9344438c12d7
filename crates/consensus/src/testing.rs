//! A small network for this crate's own tests: its keys, genesis and transactions.

use trustmesh_types::{
    NetworkId, Payload, SecretKey, SignedTransaction, Transaction,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::Resources,
    transaction::TRANSACTION_VERSION,
};

/// Key of a validator.
pub(crate) fn validator(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// Key of the operator.
pub(crate) fn operator() -> SecretKey {
    SecretKey::from_seed([200; 32])
}

/// A genesis of that many validators.
pub(crate) fn genesis(validators: u8) -> Genesis {
    let node = |n: u8| NodeInfo {
        key: validator(n).public(),
        name: format!("n{n}"),
        roles: NodeRoles::ALL,
        labels: Default::default(),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: 1 << 30, disk_bytes: 1 << 30 },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".to_owned(),
        p2p_address: format!("127.0.0.1:{}", 20_000 + u16::from(n)),
        http_address: format!("127.0.0.1:{}", 21_000 + u16::from(n)),
    };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".to_owned(),
        created_ms: 0,
        parameters: Parameters::default(),
        operators: vec![OperatorInfo {
            key: operator().public(),
            name: "operator".to_owned(),
            publisher: true,
        }],
        nodes: (0..validators).map(node).collect(),
    }
}

/// A note of a member.
pub(crate) fn note(network: NetworkId, key: &SecretKey, nonce: u64) -> SignedTransaction {
    Transaction {
        version: TRANSACTION_VERSION,
        network,
        signer: key.public(),
        valid_until_height: 100,
        nonce,
        payload: Payload::Note { bytes: vec![7; 32] },
    }
    .sign(key)
}
