//! One member that floods: it is told to slow down, and others go on.

use crate::mesh::{Mesh, one_at_a_time};
use futures::future::join_all;
use serde_json::json;
use std::{fs, time::Duration};
use trustmesh_api::{ErrorCode, Fate};
use trustmesh_client::{Client, ClientError, Device, Endpoint, Options, SubmitSpec};
use trustmesh_node::keystore;
use trustmesh_types::{
    Payload, SecretKey, SignedTransaction, Transaction, WorkflowId, genesis::Genesis,
    transaction::TRANSACTION_VERSION,
};

const ONE_TASK: &str = "
name: one
tasks:
  only: { app: noop, timeout: 5s }
";
/// One request of a device per second, one note of a signer and 128 at once.
const SLOW: [(&str, &str); 2] = [
    ("device_requests_per_second = 30", "device_requests_per_second = 1"),
    ("signer_transactions_per_second = 500", "signer_transactions_per_second = 1"),
];
/// No divisor of the burst: one post is taken in part.
const NOTES_PER_POST: u64 = 50;
/// Notes that each node may take at once.
const BURST: u64 = 128;
/// Requests at once: more than all nodes together have on their way of one device.
const REQUESTS: usize = 24;
/// Posts before a test gives up to see a refusal.
const POSTS_MAX: u64 = 100;

fn mesh() -> (Mesh, String, String) {
    let mesh = Mesh::up_changed(&SLOW);
    mesh.deploy_noop("noop");
    mesh.workflow("one.yaml", ONE_TASK).ok();
    let (flooder, other) = (mesh.register("flooder"), mesh.register("other"));
    (mesh, flooder, other)
}

/// A client that does not wait when it is told to.
fn impatient(mesh: &Mesh) -> Client {
    let text = fs::read(mesh.folder().join("genesis.json")).expect("a genesis");
    let genesis: Genesis = serde_json::from_slice(&text).expect("a genesis");
    let options = Options { rounds: 1, limited_rounds: 1, ..Options::default() };
    let endpoints = Endpoint::of_genesis(&genesis);
    Client::with_options(&genesis, endpoints, options).expect("a client")
}

fn key(mesh: &Mesh, file: &str) -> SecretKey {
    keystore::load(&mesh.folder().join(file)).expect("a key")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}

/// What a refusal for its rate has to say.
fn assert_limited(error: &ClientError) {
    let ClientError::Limited { tried, retry_after } = error else { panic!("{error}") };
    assert!(*retry_after > Duration::ZERO, "{error}");
    assert_eq!(tried.len(), 4, "every node was asked: {error}");
    for attempt in tried {
        assert!(attempt.reason.contains("come back in"), "{error}");
        assert!(attempt.reason.contains("rate_limited"), "{error}");
    }
    assert!(error.to_string().contains("send less often"), "{error}");
}

fn others_go_on(mesh: &Mesh, key: &str) {
    let args = ["request", "submit", "one", "-", "--key", key, "--wait", "-o", "json"];
    let result = mesh.fed(&args, "{\"serial\": 7}").json();
    assert_eq!(result["outputs"]["only"]["serial"], 7, "{result}");
}

#[test]
fn a_device_that_floods_with_requests_is_told_when_to_come_back() {
    let _turn = one_at_a_time();
    let (mesh, flooder, other) = mesh();
    let device = Device::new(impatient(&mesh), key(&mesh, &flooder));
    let spec = || SubmitSpec {
        workflow: WorkflowId::new("one").expect("a name"),
        data: json!({}),
        deadline: Duration::from_secs(60),
        persist: false,
    };
    let outcomes = run(join_all((0..REQUESTS).map(|_| device.submit(spec()))));
    let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(!refused.is_empty() && refused.len() < REQUESTS, "{} refused", refused.len());
    for error in refused {
        assert_limited(error);
    }
    others_go_on(&mesh, &other);
    // One that waits as it is told gets its turn, through any node.
    let args = ["request", "submit", "one", "-", "--key", &flooder, "--wait"];
    mesh.fed(&args, "{}").ok();
}

#[test]
fn a_member_that_floods_with_transactions_fills_no_block_of_others() {
    let _turn = one_at_a_time();
    let (mesh, flooder, other) = mesh();
    let (client, key) = (impatient(&mesh), key(&mesh, &flooder));
    let (refused, taken) = run(async {
        let until = client.status().await.expect("a status").height + 500;
        let (mut taken, mut one_by_one) = (0, 0);
        for post in 0..POSTS_MAX {
            let notes: Vec<_> = (0..NOTES_PER_POST)
                .map(|n| note(&client, &key, until, post * NOTES_PER_POST + n))
                .collect();
            match client.submit_transactions(&notes, Duration::ZERO).await {
                Ok(answers) => {
                    for answer in answers {
                        match answer.fate {
                            Fate::Refused { code: ErrorCode::RateLimited, .. } => one_by_one += 1,
                            Fate::Refused { detail, .. } => panic!("{detail}"),
                            _ => taken += 1,
                        }
                    }
                }
                Err(error) if taken > 0 && one_by_one > 0 => return (error, taken),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no post was refused as a whole");
    });
    assert_limited(&refused);
    // Each node may take a burst before it hears of the others', and a little in the meantime.
    assert!(taken < 4 * BURST + NOTES_PER_POST, "{taken}");
    others_go_on(&mesh, &other);
}

fn note(client: &Client, key: &SecretKey, until: u64, nonce: u64) -> SignedTransaction {
    Transaction {
        version: TRANSACTION_VERSION,
        network: client.network(),
        signer: key.public(),
        valid_until_height: until,
        nonce,
        payload: Payload::Note { bytes: vec![0x5a; 16] },
    }
    .sign(key)
}
