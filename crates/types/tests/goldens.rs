//! Golden encodings: the bytes of every stored or sent type, by length and digest.
//!
//! A change here is a change of the wire or the disk: deliberate, and named in CHANGELOG.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, helpers included"
)]

use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, Block, Contents, Digest, NetworkId, Payload, PolicyId, Receipt, RequestId, SecretKey,
    Signature, TaskId, Transaction, WorkflowId, block, codec,
    contents::BlobEntry,
    evidence::{Completion, DoneTask, Finalization, Progress, TaskFailure, TaskInput},
    faults::{Conflict, FaultEvidence, FaultRecord},
    genesis::{GENESIS_VERSION, Genesis, Parameters, ParametersChange},
    merkle,
    message::{Envelope, MESSAGE_VERSION, Message},
    plan::{Assignment, Decline, Plan, Unfit},
    policy::{Policy, PolicyScope},
    receipt::Outcome,
    records::{
        AppManifest, AppState, Condition, Grants, NodeInfo, NodeRoles, OperatorInfo, Runtime,
    },
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody, StorageReceipt, Submission},
    resources::{ResourceReport, Resources, Snapshot},
    transaction::{AppReport, Deployment, TRANSACTION_VERSION},
    votes::{ConflictingVotes, Vote},
    workflow::{Task, Workflow},
};

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"golden"))
}

fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

fn resources() -> Resources {
    Resources { cpu_millis: 100, memory_bytes: 1 << 25, disk_bytes: 7 }
}

fn node() -> NodeInfo {
    NodeInfo {
        key: key(1).public(),
        name: "node-1".into(),
        roles: NodeRoles::ALL,
        labels: BTreeMap::from([("zone".into(), "a".into())]),
        capacity: resources(),
        runtimes: vec![Runtime::Wasm, Runtime::Container],
        arch: "x86_64".into(),
        p2p_address: "127.0.0.1:1".into(),
        http_address: "127.0.0.1:2".into(),
    }
}

fn body() -> RequestBody {
    RequestBody {
        network: network(),
        device: key(9).public(),
        nonce: 3,
        workflow: WorkflowId::new("cold-chain").unwrap(),
        input: Digest::of(b"input"),
        input_bytes: 5,
        result_key: Digest([4; 32]),
        endpoint: Endpoint::Push("tcp://127.0.0.1:3".into()),
        persist: true,
        deadline_ms: 1_000,
    }
}

fn receipt(n: u8) -> StorageReceipt {
    StorageReceipt::sign(&key(n), &network(), body().id().0, Digest::of(b"input"), 5)
}

fn completion() -> Completion {
    Completion {
        request: body().id(),
        designation: 2,
        task: task("detect"),
        node: key(1).public(),
        inputs: vec![TaskInput { from: Some(task("process")), digest: Digest([5; 32]) }],
        output: Digest([6; 32]),
        output_bytes: 12,
        duration_us: 99,
    }
}

fn conflicting_votes() -> ConflictingVotes {
    let signature = Signature([7; 64]);
    let notarize = |payload| Vote::Notarize { parent_view: 6, payload, signature };
    let (one, other) = (notarize(Digest([1; 32])), notarize(Digest([2; 32])));
    ConflictingVotes::new(key(1).public(), (0, 300), one, other)
}

fn payloads() -> Vec<Payload> {
    let request: RequestId = body().id();
    let signed = completion().sign(&key(1), &network());
    let manifest = AppManifest {
        id: AppId::new("detect-anomalies").unwrap(),
        version: "1.0.0".into(),
        runtime: Runtime::Container,
        artifact: Digest([8; 32]),
        contents: Digest([9; 32]),
        artifact_bytes: 77,
        registry: Some("registry.example:5000/apps/detect".into()),
        requirements: resources(),
        architectures: ["aarch64".into(), "x86_64".into()].into(),
        deterministic: true,
        grants: Grants {
            clock: true,
            random: true,
            network: ["api.example:443".into()].into(),
            environment: [("LEVEL".into(), "info".into())].into(),
        },
        start_timeout_ms: 5_000,
    };
    let workflow = Workflow {
        id: WorkflowId::new("cold-chain").unwrap(),
        tasks: vec![Task {
            id: task("process"),
            app: AppId::new("process-sensor-data").unwrap(),
            after: vec![],
            params: "{}".into(),
            timeout_ms: 10,
            replicas: 1,
        }],
        scheduler: Some("lcdwrr3".into()),
    };
    vec![
        Payload::AdmitNode(node()),
        Payload::RegisterDevice { device: key(9).public(), name: "truck".into() },
        Payload::RevokeDevice { device: key(9).public() },
        Payload::DeployApp(Deployment {
            manifest,
            publisher_signature: key(2).sign(
                trustmesh_types::Domain::Artifact,
                &network(),
                b"manifest",
            ),
            receipts: vec![receipt(1)],
        }),
        Payload::SetAppState {
            app: AppId::new("detect-anomalies").unwrap(),
            wanted: AppState::Stopped,
        },
        Payload::CreateWorkflow(workflow),
        Payload::RetireWorkflow { workflow: WorkflowId::new("cold-chain").unwrap() },
        Payload::ReportResources(ResourceReport {
            newest: Snapshot { taken_ms: 4, foreign: resources() },
            batch_root: Digest([1; 32]),
            batch_len: 6,
        }),
        Payload::SubmitRequest(Submission {
            body: body(),
            signature: body().sign(&key(9)),
            receipts: vec![receipt(1), receipt(2)],
        }),
        Payload::CancelRequest { request },
        Payload::ConfirmSchedule(Plan {
            request,
            designation: 1,
            made_at: 10,
            assignments: vec![Assignment {
                task: task("process"),
                level: 0,
                nodes: vec![key(1).public()],
            }],
        }),
        Payload::DeclineSchedule(Decline {
            request,
            designation: 1,
            made_at: 10,
            task: task("process"),
            unfit: vec![Unfit { node: key(1).public(), reason: "full".into() }],
        }),
        Payload::ReportFailure(TaskFailure {
            request,
            designation: 1,
            task: task("process"),
            node: key(1).public(),
            reason: "trap".into(),
        }),
        Payload::RecordProgress(Progress {
            request,
            designation: 1,
            done: vec![DoneTask { completion: signed.clone(), receipts: vec![receipt(1)] }],
        }),
        Payload::Finalize(Finalization {
            request,
            designation: 1,
            completions: vec![signed.clone()],
            receipts: vec![receipt(1)],
        }),
        Payload::Note { bytes: vec![1, 2, 3] },
        Payload::ReportConflict(Conflict {
            request,
            designation: 1,
            task: task("detect"),
            completions: vec![signed.clone(), signed],
        }),
        Payload::LiftQuarantine { node: key(1).public() },
        Payload::SetParameters(ParametersChange {
            parameters: Parameters::default(),
            replaces: Digest([7; 32]),
        }),
        Payload::ReportVotes(conflicting_votes()),
        Payload::SetPolicy(Policy {
            id: PolicyId::new("zone-a").unwrap(),
            scope: PolicyScope::Assignment,
            expression: r#"node.labels["zone"] == "a""#.into(),
            message: "data stays in zone a".into(),
        }),
        Payload::RemovePolicy { policy: PolicyId::new("zone-a").unwrap() },
        Payload::RemoveNode { node: key(1).public() },
        Payload::ReplaceNode { old: key(1).public(), new: node() },
        Payload::ChangeNode(node()),
        Payload::QuarantineNode { node: key(1).public(), reason: "noisy".into() },
        Payload::Ready,
        Payload::ActivateProtocol { version: 3, height: 640 },
        Payload::RestartApp { app: AppId::new("detect-anomalies").unwrap() },
        Payload::ReportApp(AppReport {
            app: AppId::new("detect-anomalies").unwrap(),
            generation: 2,
            condition: Condition::Failed,
            note: Some("no engine".into()),
        }),
        Payload::AdmitOperator(OperatorInfo {
            key: key(3).public(),
            name: "second".into(),
            publisher: true,
        }),
        Payload::RevokeOperator { operator: key(3).public() },
    ]
}

fn messages() -> Vec<Message> {
    let completion = completion().sign(&key(1), &network());
    let digest = Digest([3; 32]);
    vec![
        Message::StoreInput { body: body(), signature: body().sign(&key(9)), data: Some(vec![1]) },
        Message::StoreOutput { completion: completion.clone(), data: None },
        Message::StoreArtifact {
            contents: digest,
            bytes: 9,
            registry: Some("registry.example/apps/detect".into()),
        },
        Message::Stored(receipt(1)),
        Message::NotStored { subject: digest, digest, reason: "full".into() },
        Message::Completed { completion, data: Some(vec![2]) },
        Message::Receipts {
            request: body().id(),
            task: task("detect"),
            receipts: vec![receipt(1)],
        },
        Message::AskCompletions { request: body().id() },
        Message::AskPiece { digest, offset: 1 },
        Message::Piece { digest, total: 4, offset: 1, bytes: vec![9] },
        Message::NoBlob { digest },
        Message::Alive,
    ]
}

fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        name: "golden".into(),
        created_ms: 1,
        parameters: Parameters::default(),
        operators: vec![OperatorInfo { key: key(2).public(), name: "op".into(), publisher: true }],
        nodes: vec![node()],
    }
}

fn transaction(payload: Payload) -> trustmesh_types::SignedTransaction {
    Transaction {
        version: TRANSACTION_VERSION,
        network: network(),
        signer: key(1).public(),
        valid_until_height: 64,
        nonce: 8,
        payload,
    }
    .sign(&key(1))
}

fn sample_block() -> Block {
    let transactions: Vec<_> = payloads().into_iter().map(transaction).collect();
    let mut block = genesis().block(Digest([2; 32]));
    block.header.transactions_root = block::transactions_root(&transactions);
    block.transactions = transactions;
    block
}

/// Name, length in bytes, first 16 hexadecimal digits of the digest.
fn goldens() -> Vec<(String, usize, String)> {
    let row = |name: &str, bytes: Vec<u8>| {
        let digest = Digest::of(&bytes).to_string();
        (name.to_owned(), bytes.len(), digest.get(..16).unwrap().to_owned())
    };
    let mut rows: Vec<_> =
        payloads().iter().map(|p| row(p.kind(), codec::encode(&transaction(p.clone())))).collect();
    for message in messages() {
        let name = format!("{message:?}");
        let name = name.split([' ', '(', '{']).next().unwrap();
        let envelope = Envelope { version: MESSAGE_VERSION, message: message.clone() };
        rows.push(row(name, codec::encode(&envelope)));
    }
    let signature = Signature([7; 64]);
    let finalized = Vote::Finalize { parent_view: 6, payload: Digest([1; 32]), signature };
    for (name, vote) in [("Nullify", Vote::Nullify { signature }), ("Finalize", finalized)] {
        rows.push(row(name, codec::encode(&vote)));
    }
    rows.push(row("block", codec::encode(&sample_block())));
    rows.push(row("genesis", codec::encode(&genesis())));
    let rejected = Receipt {
        transaction: sample_block().transactions[0].id(),
        signer: key(1).public(),
        outcome: Outcome::Rejected(Rejection::fault(RejectCode::NotDesignated, "no")),
    };
    rows.push(row("receipt", codec::encode(&rejected)));
    let fault = FaultRecord {
        node: key(1).public(),
        number: 2,
        height: 3,
        at_ms: 4,
        until_ms: 5,
        rejection: Rejection::fault(RejectCode::TwoCompletions, "two"),
        evidence: FaultEvidence::Completions(vec![completion().sign(&key(1), &network())]),
        pardoned: false,
    };
    rows.push(row("fault", codec::encode(&fault)));
    let blobs = [vec![1; 5], vec![2; 1024 * 1024 + 1]].map(|blob| BlobEntry::of(&blob));
    let contents = Contents::new(blobs[0].digest, blobs.to_vec()).unwrap();
    rows.push(row("contents", contents.encode()));
    rows
}

#[test]
fn every_encoding_is_as_recorded() {
    let recorded = include_str!("goldens.txt");
    let now: String =
        goldens().iter().map(|(name, len, digest)| format!("{name} {len} {digest}\n")).collect();
    assert_eq!(now, recorded, "if the change is meant, put the left side into goldens.txt");
}

#[test]
fn a_block_is_decoded_whole_or_not_at_all() {
    let good = codec::encode(&sample_block());
    assert_eq!(Block::decode(&good).unwrap(), sample_block());
    let mut trailing = good.clone();
    trailing.push(0);
    assert!(Block::decode(&trailing).is_err());
    assert!(Block::decode(&good[..good.len() - 1]).is_err());
    let mut other_body = sample_block();
    other_body.transactions.pop();
    let refused = Block::decode(&codec::encode(&other_body)).unwrap_err().to_string();
    assert!(refused.contains("not those of the header"), "{refused}");
    let mut huge_count = codec::encode(&sample_block().header);
    huge_count.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(Block::decode(&huge_count).is_err());
}

#[test]
fn proofs_are_those_of_the_root_in_the_header() {
    let block = sample_block();
    let leaves: Vec<Digest> =
        block.transactions.iter().map(|t| Digest::of(&codec::encode(t))).collect();
    let proof = merkle::prove(&leaves, 3).unwrap();
    assert!(proof.verify(&leaves[3], &block.header.transactions_root));
}
