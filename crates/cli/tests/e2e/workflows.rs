//! Workflows of every shape through a real mesh, and what can be asked of it afterwards.

use crate::mesh::{Mesh, one_at_a_time};

const DIAMOND: &str = "
name: diamond
tasks:
  a: { app: noop }
  b: { app: noop, after: [a] }
  c: { app: noop, after: [a] }
  d: { app: noop, after: [b, c, a] }
  e: { app: noop, after: [c] }
";

/// As the authors' code writes its workflows: a node's id is its application's.
const GRAPH: &str = r#"{
  "start": "process-sensor-data",
  "nodes": {
    "process-sensor-data": { "next": ["detect-anomalies"] },
    "detect-anomalies": { "next": ["generate-alerts"] },
    "generate-alerts": { "next": [] }
  }
}"#;

#[test]
fn graphs_of_both_forms_run_and_the_ledger_verifies() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    // Deploying waits for the nodes that are live by then.
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    for (name, module) in cold_chain::host::MODULES {
        let file = mesh.write(&format!("{name}.wasm"), module);
        mesh.run(&["app", "deploy", file.to_str().expect("UTF-8")]).ok();
    }
    // `app deploy` returns when every node is ready to run what was deployed.
    for node in ["node-1", "node-2", "node-3", "node-4"] {
        let listed = mesh.run(&["app", "list", "--endpoint", node, "-o", "json"]).json();
        let apps = listed.as_array().expect("a list");
        assert_eq!(apps.len(), 4, "{node}: {listed}");
        assert!(apps.iter().all(|app| app["here"]["state"] == "running"), "{node}: {listed}");
        assert!(apps[0]["manifest"]["artifact"].is_string(), "{node}: {listed}");
    }
    let args = ["app", "deploy", "noop.wasm", "--name", "again", "--no-wait"];
    mesh.run(&args).ok();
    let key = mesh.register("truck-1");

    // Two sinks, and an edge that skips a level.
    mesh.workflow("diamond.yaml", DIAMOND).ok();
    let submit = |workflow: &str, data: &str| {
        let args = ["request", "submit", workflow, "-", "--key", &key, "--wait", "-o", "json"];
        mesh.fed(&args, data).json()
    };
    let result = submit("diamond", "[1]");
    // Predecessors' arrays are put together in the tasks' order: b, c, a for d.
    assert_eq!(result["outputs"]["d"], serde_json::json!([1, 1, 1]), "{result}");
    assert_eq!(result["outputs"]["e"], serde_json::json!([1]), "{result}");
    assert_eq!(result["tasks"].as_array().map(Vec::len), Some(5), "{result}");

    mesh.workflow("authors.json", GRAPH).ok();
    let window = serde_json::to_string(&cold_chain::simulate(1, 0, 30)).expect("JSON");
    let result = submit("authors", &window);
    assert!(result["outputs"]["generate-alerts"]["summary"].is_string(), "{result}");

    let id = result["request"].as_str().expect("an id");
    let shown = mesh.run(&["request", "show", id]).ok();
    assert!(shown.out.contains("finalized") && shown.out.contains("shall plan"), "{shown:?}");
    placement_is_explained(&mesh, id);
    let last = mesh.run(&["request", "show", "last", "-o", "json"]).json();
    assert_eq!(last["id"], id, "{last}");
    mesh.run(&["request", "watch", id]).ok();
    let listed = mesh.run(&["request", "list", "-o", "json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(mesh.run(&["node", "list", "-o", "json"]).json().as_array().map(Vec::len), Some(4));
    assert!(mesh.run(&["ledger", "blocks", "-o", "yaml"]).ok().out.contains("state_root:"));

    let verified = mesh.run(&["ledger", "verify", "--endpoint", "node-2", "-o", "json"]).json();
    assert!(verified["height"].as_u64().is_some_and(|height| height > 5), "{verified}");
    assert!(verified["final_height"].as_u64() >= Some(5), "{verified}");
    assert!(verified["mismatch"].is_null(), "{verified}");
}

/// Each task's node has its reason, and so has each node that did not get it.
fn placement_is_explained(mesh: &Mesh, id: &str) {
    let plain = mesh.run(&["request", "show", id, "-o", "json"]).json();
    assert!(plain["why"].is_null(), "{plain}");
    let shown = mesh.run(&["request", "show", id, "--why", "-o", "json"]).json();
    assert_eq!(shown["why"]["planner"], plain["plan"]["planner"], "{shown}");
    let placements = shown["why"]["placements"].as_array().expect("placements");
    let placement = placements.iter().rfind(|p| p["confirmed"] == true).expect("the ledger's");
    let choices = placement["choices"].as_array().expect("choices");
    let tasks = plain["tasks"].as_array().expect("tasks");
    assert_eq!(choices.len(), tasks.len(), "{placement}");
    let people = mesh.run(&["request", "show", id, "--why"]).ok().out;
    for task in tasks {
        let choice = choices.iter().find(|c| c["task"] == task["task"]).expect("each task");
        assert_eq!(choice["node"], task["nodes"][0], "{choice}");
        let (why, chosen) = (choice["why"].as_str(), choice["name"].as_str());
        let (why, chosen) = (why.expect("a sentence"), chosen.expect("a name"));
        let part = people.split_once(why).expect("the reason").1;
        let part = part.split("\ntask ").next().unwrap_or_default();
        assert!(why.contains(chosen), "{why}");
        for name in (1..=4).map(|n| format!("node-{n}")) {
            assert_eq!(part.contains(&format!("not {name}: ")), name != chosen, "{part}");
        }
    }
}

#[test]
fn a_planner_that_is_down_can_not_explain() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.deploy_noop("noop");
    let key = mesh.register("truck-1");
    mesh.workflow("diamond.yaml", DIAMOND).ok();
    let args = ["request", "submit", "diamond", "-", "--key", &key, "--wait", "-o", "json"];
    let result = mesh.fed(&args, "[1]").json();
    let id = result["request"].as_str().expect("an id");
    let shown = mesh.run(&["request", "show", id, "--why", "-o", "json"]).json();
    let nodes = mesh.run(&["node", "list", "-o", "json"]).json();
    let nodes = nodes.as_array().expect("nodes");
    let planner = nodes.iter().find(|n| n["key"] == shown["why"]["planner"]).expect("a node");
    let name = planner["name"].as_str().expect("a name");
    let index = name.rsplit('-').next().and_then(|n| n.parse::<usize>().ok()).expect("node-N");
    mesh.kill_9(index - 1);
    mesh.run(&["request", "show", id]).ok();
    let asked = mesh.run(&["request", "show", id, "--why"]);
    asked.refused(1, &[name, "does not answer", "--why"]);
    // Kept on disk: it knows again when it is back.
    mesh.start();
    mesh.run(&["request", "show", id, "--why"]).ok();
}
