//! Nodes that break the rules: charged with evidence that holds without the mesh, quarantined,
//! pardoned; and what operators and devices see and change beside that.

use crate::{
    mesh::{Mesh, one_at_a_time},
    run::{Run, trustmesh_in},
};
use serde_json::{Value, json};
use std::{fs, path::Path};
use trustmesh_client::{Client, ClientError, Endpoint};
use trustmesh_node::{keystore, local::LocalNetwork};
use trustmesh_types::{
    Payload, PublicKey, RequestId, SecretKey, events::Event, plan::Plan, reject::RejectCode,
};

const CHAIN: &str = "
name: chain
tasks:
  first: { app: noop, timeout: 5s }
  second: { app: noop, after: [first], timeout: 5s }
";
const THRICE: &str = "
name: thrice
tasks:
  only: { app: noop, replicas: 3 }
";
const HUGE: &str = "
name: huge
tasks:
  only: { app: huge }
";

/// A node whose key is in the wrong hands.
struct Liar {
    runtime: tokio::runtime::Runtime,
    client: Client,
    name: String,
    key: SecretKey,
}

impl Liar {
    /// A node that a request's first designation does not name; waits until it names one.
    fn for_request(mesh: &Mesh, request: &RequestId) -> Self {
        let network = LocalNetwork::open(&mesh.folder()).expect("the mesh's folder");
        let genesis = network.genesis();
        let client = Client::new(genesis, Endpoint::of_genesis(genesis)).expect("TLS");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let named = runtime.block_on(designated(&client, request));
        let node = genesis.nodes.iter().find(|node| node.key != named).expect("another node");
        let file = mesh.folder().join(&node.name).join("node.key");
        let key = keystore::load(&file).expect("the node's key");
        Self { runtime, client, name: node.name.clone(), key }
    }

    /// Plans a request that another node shall plan.
    fn plan(&self, request: &RequestId) {
        let plan = Plan { request: *request, designation: 1, made_at: 1, assignments: Vec::new() };
        let payload = Payload::ConfirmSchedule(plan);
        match self.runtime.block_on(self.client.transact(&self.key, payload)) {
            Err(ClientError::Rejected { rejection, .. }) => {
                assert!(rejection.fault, "{rejection:?}");
                assert_eq!(rejection.code, RejectCode::NotDesignated, "{rejection:?}");
            }
            other => panic!("a plan by another node: {other:?}"),
        }
    }
}

async fn designated(client: &Client, request: &RequestId) -> PublicKey {
    for _ in 0..100 {
        let view = client.request(request).await.expect("the request");
        let named = view.history.iter().find_map(|it| match &it.event {
            Event::Designated { designation: 1, node, .. } => Some(*node),
            _ => None,
        });
        if let Some(named) = named {
            return named;
        }
        tokio::time::sleep(client.options().pause).await;
    }
    panic!("nobody was designated for {request}");
}

fn submit(mesh: &Mesh, workflow: &str, key: &str, more: &[&str]) -> Run {
    let args = ["request", "submit", workflow, "-", "--key", key, "-o", "json"];
    mesh.fed(&[&args[..], more].concat(), "[1]")
}

fn show(mesh: &Mesh, node: &str) -> Value {
    mesh.run(&["node", "show", node, "-o", "json"]).json()
}

#[test]
fn a_node_that_plans_for_others_is_charged_quarantined_and_pardoned() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    mesh.workflow("chain.yaml", CHAIN).ok();
    let device = mesh.register("truck-1");
    mesh.run(&["ledger", "faults"]).ok();
    let request = submit(&mesh, "chain", &device, &[]).json();
    let request = request["request"].as_str().expect("an id").to_owned();
    let id: RequestId = request.parse().expect("an id");
    let liar = Liar::for_request(&mesh, &id);
    let name = liar.name.as_str();

    liar.plan(&id);
    let faults = mesh.run(&["ledger", "faults", "-o", "json"]).json();
    let key = liar.key.public().to_string();
    assert_eq!(faults.as_array().map(Vec::len), Some(1), "{faults}");
    let fault = &faults[0];
    assert_eq!((&fault["node"], &fault["number"]), (&json!(key), &json!(1)), "{faults}");
    assert_eq!(fault["rejection"]["code"], "not_designated", "{faults}");
    assert_eq!(fault["evidence"]["kind"], "transaction", "{faults}");
    assert_eq!(fault["counts"], true, "{faults}");
    let shown = show(&mesh, name);
    assert_eq!((&shown["faults"], &shown["quarantined"]), (&json!(1), &json!(false)), "{shown}");
    assert_eq!(shown["fault_records"][0], *fault, "{shown}");
    mesh.run(&["ledger", "fault", name, "1", "--save", "fault.json"]).ok();
    mesh.run(&["ledger", "fault", name, "2"]).refused(1, &["no fault of number 2"]);

    liar.plan(&id);
    liar.plan(&id);
    let shown = show(&mesh, name);
    assert_eq!((&shown["faults"], &shown["quarantined"]), (&json!(3), &json!(true)), "{shown}");
    assert!(mesh.run(&["node", "list"]).ok().out.contains("quarantined"));
    let args = ["ledger", "faults", "--node", name, "--limit", "2", "-o", "json"];
    let two = mesh.run(&args).json();
    assert_eq!((&two[0]["number"], &two[1]["number"]), (&json!(3), &json!(2)), "{two}");

    // The request that it meddled with ends well, and the mesh goes on without the node.
    let result = mesh.run(&["request", "result", &request, "--key", &device, "-o", "json"]).json();
    assert_eq!(result["outputs"]["second"], json!([1]), "{result}");
    let result = submit(&mesh, "chain", &device, &["--wait"]).json();
    let tasks = result["tasks"].as_array().expect("tasks");
    assert!(tasks.iter().all(|task| task["node"] != key.as_str()), "{result}");

    mesh.run(&["node", "pardon", name, "--key", &device]).refused(1, &["wrong_role"]);
    mesh.run(&["node", "pardon", name]).ok();
    let shown = show(&mesh, name);
    assert_eq!((&shown["faults"], &shown["quarantined"]), (&json!(0), &json!(false)), "{shown}");
    assert_eq!(shown["fault_records"].as_array().map(Vec::len), Some(3), "{shown}");
    assert_eq!(shown["fault_records"][0]["pardoned"], true, "{shown}");
    mesh.run(&["node", "pardon", name]).refused(1, &["not_quarantined"]);

    mesh.stop();
    evidence_holds_by_itself(&mesh.folder());
}

/// Without any node; and no part of it may be another.
fn evidence_holds_by_itself(folder: &Path) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    for file in ["fault.json", "genesis.json"] {
        fs::copy(folder.join(file), elsewhere.path().join(file)).expect("a file can be copied");
    }
    let check = |file: &str| {
        let args = ["ledger", "check-evidence", file, "--genesis", "genesis.json", "-o", "json"];
        trustmesh_in(elsewhere.path(), &args)
    };
    let verdict = check("fault.json").json();
    assert_eq!(verdict["holds"], true, "{verdict}");
    assert_eq!(verdict["proved"].as_array().map(Vec::len), Some(3), "{verdict}");
    let text = fs::read_to_string(elsewhere.path().join("fault.json")).expect("a file");
    let evidence: Value = serde_json::from_str(&text).expect("JSON");
    let bent_hex = |hex: &Value| {
        let hex = hex.as_str().expect("hexadecimal").to_owned();
        let last = if hex.ends_with('0') { "1" } else { "0" };
        json!(format!("{}{last}", &hex[..hex.len() - 1]))
    };
    let zero = json!("0".repeat(64));
    let bends: [(&str, Value); 9] = [
        ("/network", zero.clone()),
        ("/fault/node", zero),
        ("/fault/height", json!(1)),
        ("/fault/rejection/code", json!("wrong_output")),
        ("/fault/evidence/evidence", json!("1".repeat(64))),
        ("/block/transaction/signature", bent_hex(&evidence["block"]["transaction"]["signature"])),
        ("/block/block", bent_hex(&evidence["block"]["block"])),
        ("/block/receipts/0/transaction", json!("2".repeat(64))),
        ("/block/certificate", bent_hex(&evidence["block"]["certificate"])),
    ];
    for (at, value) in bends {
        let mut bent = evidence.clone();
        *bent.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not in {evidence}")) = value;
        fs::write(elsewhere.path().join("bent.json"), bent.to_string()).expect("written");
        let run = check("bent.json");
        assert_eq!(run.code, Some(1), "{at}: {run:?}");
        run.refused(1, &["does not hold"]);
    }
    fs::write(elsewhere.path().join("bent.json"), "[]").expect("written");
    check("bent.json").refused(2, &["bent.json", "no evidence"]);
}

#[test]
fn replicas_agree_and_operators_change_how_the_network_runs() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    mesh.run(&["app", "deploy", "noop.wasm", "--name", "huge", "--cpu", "1000000"]).ok();
    for (file, text) in [("thrice.yaml", THRICE), ("huge.yaml", HUGE)] {
        mesh.workflow(file, text).ok();
    }
    let device = mesh.register("truck-1");

    let result = submit(&mesh, "thrice", &device, &["--wait"]).json();
    let task = &result["tasks"][0];
    // The request ends when a majority agrees; the third may be late.
    assert_eq!(task["replicas"], json!(3), "{result}");
    let agreeing = task["agreeing"].as_u64().expect("a number");
    assert!((2..=3).contains(&agreeing), "{result}");
    let shown = mesh.run(&["request", "show", "last"]).ok();
    assert!(shown.out.contains(&format!("{agreeing} of 3")), "{shown:?}");

    let set =
        |changes: &[&str]| mesh.run(&[&["network", "parameters", "set"][..], changes].concat());
    assert!(set(&["generation_timeout=5s"]).ok().out.contains("5s (was 1s)"));
    let parameters = || mesh.run(&["network", "parameters", "-o", "json"]).json();
    assert_eq!(parameters()["parameters"]["generation_timeout_ms"], 5_000);
    set(&["patience=5s"]).refused(2, &["patience", "generation_timeout"]);
    set(&["generation_timeout=0s"]).refused(2, &["generation_timeout", "at least 1"]);
    set(&["leader_timeout=9s"]).refused(1, &["leader_timeout", "genesis sets it"]);
    set(&["generation_timeout=6s", "--key", &device]).refused(1, &["wrong_role"]);
    assert_eq!(parameters()["parameters"]["generation_timeout_ms"], 5_000);

    // What can't be placed waits, says why, and can be ended by an operator or its device.
    for by in ["operator.key", &device] {
        let waiting = submit(&mesh, "huge", &device, &[]).json();
        let id = waiting["request"].as_str().expect("an id");
        waits(&mesh, id);
        let cancelled = mesh.run(&["request", "cancel", id, "--key", by]).ok();
        assert!(cancelled.out.contains("is cancelled; it"), "{cancelled:?}");
        let again = mesh.run(&["request", "cancel", id, "--key", by]);
        again.refused(1, &["has ended already", "cancelled"]);
    }
    set(&["queueing_timeout=1s"]).ok();
    let failed = submit(&mesh, "huge", &device, &["--wait"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let listed = mesh.run(&["request", "list", "--status", "failed", "-o", "json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}

/// Waits until a request waits for a node, and says so.
fn waits(mesh: &Mesh, id: &str) {
    for _ in 0..60 {
        let shown = mesh.run(&["request", "show", id]).ok();
        if shown.out.contains("waits because") {
            assert!(shown.out.contains("waits since"), "{shown:?}");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    panic!("it does not wait: {:?}", mesh.run(&["request", "show", id]));
}
