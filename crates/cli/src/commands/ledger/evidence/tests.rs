//! Completions that contradict each other charge a node, and bent ones don't. Blocks and their
//! certificates are tested end to end, with those of a real mesh.

use super::{
    BlockProof, Bundle, Declared, VERSION,
    completions::{NoConflict, prove},
};
use trustmesh_api::HexBytes;
use trustmesh_types::{
    AppId, Contents, Digest, Domain, NetworkId, Payload, RequestId, SecretKey, TaskId, Transaction,
    WorkflowId, codec,
    committee::Committee,
    evidence::{Completion, SignedCompletion, TaskInput},
    faults::{FaultEvidence, FaultRecord},
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    records::{AppManifest, AppRecord, AppState, OperatorInfo},
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody},
    resources::Resources,
    transaction::TRANSACTION_VERSION,
    workflow::{Task, Workflow},
};

/// Four validators, of which one may be faulty.
fn committee() -> Committee {
    let mut validators: Vec<_> = (1..=4).map(|n| key(n).public()).collect();
    validators.sort_unstable();
    Committee { number: 0, first_height: 0, validators }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn genesis() -> Genesis {
    let operator =
        OperatorInfo { key: key(9).public(), name: "operator".to_owned(), publisher: true };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".to_owned(),
        created_ms: 1,
        parameters: Parameters::default(),
        operators: vec![operator],
        nodes: vec![],
    }
}

fn network() -> NetworkId {
    genesis().network_id()
}

fn body() -> RequestBody {
    RequestBody {
        network: network(),
        device: key(8).public(),
        nonce: 1,
        workflow: WorkflowId::new("w").unwrap(),
        input: Digest::of(b"input"),
        input_bytes: 5,
        result_key: Digest([1; 32]),
        endpoint: Endpoint::Pull,
        persist: false,
        deadline_ms: 1,
    }
}

fn completion(node: u8, output: &[u8]) -> Completion {
    Completion {
        request: body().id(),
        designation: 1,
        task: TaskId::new("t").unwrap(),
        node: key(node).public(),
        inputs: vec![TaskInput { from: None, digest: Digest::of(b"input") }],
        output: Digest::of(output),
        output_bytes: 1,
        duration_us: 1,
    }
}

fn signed(completion: Completion, node: u8) -> SignedCompletion {
    completion.sign(&key(node), &network())
}

fn declared(deterministic: bool) -> Declared {
    let contents = Contents::of_module(b"module").unwrap();
    let needs = Resources { cpu_millis: 100, memory_bytes: 1, disk_bytes: 0 };
    let manifest = AppManifest {
        deterministic,
        ..AppManifest::module(AppId::new("app").unwrap(), &contents, needs)
    };
    let publisher_signature = key(9).sign(Domain::Artifact, &network(), &codec::encode(&manifest));
    let task = Task {
        id: TaskId::new("t").unwrap(),
        app: AppId::new("app").unwrap(),
        after: vec![],
        params: "{}".into(),
        timeout_ms: 1,
        replicas: 3,
    };
    Declared {
        body: body(),
        workflow: Workflow {
            id: WorkflowId::new("w").unwrap(),
            tasks: vec![task],
            scheduler: None,
        },
        app: AppRecord {
            manifest,
            publisher: key(9).public(),
            publisher_signature,
            holders: vec![],
            wanted: AppState::Running,
            generation: 1,
            changed: 1,
        },
    }
}

fn bundle(code: RejectCode, all: Vec<SignedCompletion>, declared: Option<Declared>) -> Bundle {
    let note = Transaction {
        version: TRANSACTION_VERSION,
        network: network(),
        signer: key(1).public(),
        valid_until_height: 1,
        nonce: 1,
        payload: Payload::Note { bytes: vec![] },
    };
    Bundle {
        version: VERSION,
        network: network(),
        fault: FaultRecord {
            node: key(1).public(),
            number: 1,
            height: 1,
            at_ms: 1,
            until_ms: 2,
            rejection: Rejection::fault(code, "why"),
            evidence: FaultEvidence::Completions(all),
            pardoned: false,
        },
        handovers: Vec::new(),
        block: BlockProof {
            transaction: note.sign(&key(1)),
            block: HexBytes(vec![]),
            receipts: vec![],
            later: vec![],
            certificate: HexBytes(vec![]),
        },
        declared,
    }
}

fn verdict(bundle: &Bundle) -> Result<usize, NoConflict> {
    let FaultEvidence::Completions(all) = &bundle.fault.evidence else { panic!("completions") };
    let mut proved = Vec::new();
    prove(bundle, (&genesis(), &committee()), all, &mut proved).map(|()| proved.len())
}

fn two_by_one() -> Vec<SignedCompletion> {
    vec![signed(completion(1, b"one"), 1), signed(completion(1, b"other"), 1)]
}

fn one_against(others: &[u8]) -> Vec<SignedCompletion> {
    let wrong = signed(completion(1, b"wrong"), 1);
    let right = others.iter().map(|n| signed(completion(*n, b"right"), *n));
    std::iter::once(wrong).chain(right).collect()
}

#[test]
fn two_outputs_of_one_node_are_its_fault() {
    assert_eq!(verdict(&bundle(RejectCode::TwoCompletions, two_by_one(), None)), Ok(2));
    let same = vec![two_by_one().remove(0), two_by_one().remove(0)];
    let same = bundle(RejectCode::TwoCompletions, same, None);
    assert_eq!(verdict(&same), Err(NoConflict::SameOutput));
}

#[test]
fn an_output_that_enough_others_contradict_is_a_fault_of_a_deterministic_application() {
    let of = |others: &[u8], declared| {
        verdict(&bundle(RejectCode::WrongOutput, one_against(others), declared))
    };
    assert_eq!(of(&[2, 3], Some(declared(true))), Ok(3));
    let task = TaskId::new("t").unwrap();
    let undeclared = Err(NoConflict::NotDeclared { task });
    assert_eq!(of(&[2, 3], Some(declared(false))), undeclared);
    assert_eq!(of(&[2, 3], None), undeclared);
    let too_few = Err(NoConflict::TooFewOthers { got: 1, needed: 2 });
    assert_eq!(of(&[2], Some(declared(true))), too_few);
    assert_eq!(of(&[2, 2], Some(declared(true))), too_few, "one node counts once");
    // The same application, declared by somebody whom genesis does not name.
    let mut stranger = declared(true);
    stranger.app.publisher = key(7).public();
    let manifest = codec::encode(&stranger.app.manifest);
    stranger.app.publisher_signature = key(7).sign(Domain::Artifact, &network(), &manifest);
    assert_eq!(of(&[2, 3], Some(stranger)), undeclared);
    let mut other_workflow = declared(true);
    other_workflow.workflow.id = WorkflowId::new("v").unwrap();
    assert_eq!(of(&[2, 3], Some(other_workflow)), undeclared);
}

#[test]
fn bent_completions_charge_nobody() {
    type Bend = fn(&mut Vec<SignedCompletion>);
    let node = key(1).public();
    let cases: [(&str, Bend, NoConflict); 6] = [
        ("a bad signature", |all| all[0].signature.0[0] ^= 1, NoConflict::Signature { node }),
        ("one alone", |all| all.truncate(1), NoConflict::TooFew { got: 1 }),
        (
            "signed by somebody else",
            |all| all[0] = signed(completion(1, b"wrong"), 4),
            NoConflict::Signature { node },
        ),
        (
            "another request",
            |all| {
                let other = RequestId(Digest::of(b"other"));
                all[0] = signed(Completion { request: other, ..completion(1, b"wrong") }, 1);
            },
            NoConflict::OtherTask,
        ),
        (
            "other inputs",
            |all| all[0] = signed(Completion { inputs: vec![], ..completion(1, b"wrong") }, 1),
            NoConflict::TooFewOthers { got: 0, needed: 2 },
        ),
        ("another node", |all| all.rotate_left(1), NoConflict::OtherNode { node }),
    ];
    for (what, bend, expected) in cases {
        let mut all = one_against(&[2, 3]);
        bend(&mut all);
        let bent = bundle(RejectCode::WrongOutput, all, Some(declared(true)));
        assert_eq!(verdict(&bent), Err(expected), "{what}");
    }
}

#[test]
fn a_file_reads_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fault.json");
    let bundle = bundle(RejectCode::WrongOutput, one_against(&[2, 3]), Some(declared(true)));
    bundle.store(&path).unwrap();
    assert_eq!(Bundle::load(&path).unwrap(), bundle);
    std::fs::write(&path, "{}").unwrap();
    let refused = Bundle::load(&path).unwrap_err().to_string();
    assert!(refused.contains("is no evidence"), "{refused}");
    Bundle { version: 9, ..bundle }.store(&path).unwrap();
    assert!(Bundle::load(&path).unwrap_err().to_string().contains("version 9"));
}
