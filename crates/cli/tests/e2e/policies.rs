//! Policies on a real mesh: placement obeys them, what breaks them is refused, and trying one
//! out needs no mesh.

use crate::{
    mesh::{Mesh, one_at_a_time},
    run::trustmesh_in,
};

const CHAIN: &str = "
name: chain
tasks:
  a: { app: noop }
  b: { app: noop, after: [a] }
  c: { app: noop, after: [b] }
";

const ZONE: &str = "
id: zone
scope: assignment
expression: node.labels[\"zone\"] == \"b\"
message: tasks run in zone b
";

const PLAN: &str = "
workflow: { tasks: [{ id: a, app: noop }] }
nodes:
  - { name: n1, labels: { zone: a } }
  - { name: n2, labels: { zone: b } }
assignments: [{ task: a, nodes: [n2] }]
";

#[test]
fn placement_obeys_a_zone_and_what_no_node_meets_waits_with_its_name() {
    let _turn = one_at_a_time();
    // Nodes 1 and 3 are in zone a, nodes 2 and 4 in zone b.
    let mesh = Mesh::up_with(&["--label", "zone=a,b"]);
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    let key = mesh.register("truck-1");
    mesh.workflow("chain.yaml", CHAIN).ok();
    let shown = mesh.run(&["policy", "list"]).ok();
    assert!(shown.out.contains("no policies"), "{shown:?}");

    mesh.write("zone.yaml", ZONE);
    mesh.run(&["policy", "set", "zone.yaml"]).ok();
    let listed = mesh.run(&["policy", "list", "-o", "json"]).json();
    assert_eq!(listed[0]["policy"]["id"], "zone", "{listed}");
    let shown = mesh.run(&["policy", "show", "zone"]).ok();
    assert!(shown.out.contains("node.labels[\"zone\"] == \"b\""), "{shown:?}");
    let submit = |more: &[&str]| {
        let args = ["request", "submit", "chain", "-", "--key", &key, "-o", "json"];
        mesh.fed(&[&args, more].concat(), "[1]").json()
    };
    let nodes = mesh.run(&["node", "list", "-o", "json"]).json();
    let zone = |key: &serde_json::Value| {
        let node = nodes.as_array().and_then(|all| all.iter().find(|node| node["key"] == *key));
        node.expect("a node of the mesh")["labels"]["zone"].clone()
    };
    for _ in 0..4 {
        let result = submit(&["--wait"]);
        let id = result["request"].as_str().expect("an id");
        let shown = mesh.run(&["request", "show", id, "--why", "-o", "json"]).json();
        let tasks = shown["tasks"].as_array().expect("tasks");
        assert_eq!(tasks.len(), 3, "{shown}");
        for task in tasks {
            assert_eq!(zone(&task["nodes"][0]), "b", "{task}");
        }
        let people = mesh.run(&["request", "show", id, "--why"]).ok().out;
        assert!(people.contains("tasks run in zone b"), "{people}");
    }

    // A whole-plan policy that chance alone rarely meets.
    let one = "id: one\nscope: plan\nexpression: size(nodes) == 1\nmessage: one node for all\n";
    mesh.write("one.yaml", one);
    mesh.run(&["policy", "set", "one.yaml"]).ok();
    let result = submit(&["--wait"]);
    let tasks = result["tasks"].as_array().expect("tasks");
    assert!(tasks.iter().all(|task| task["node"] == tasks[0]["node"]), "{result}");
    mesh.run(&["policy", "remove", "one"]).ok();

    // No node is there: the request waits and says which policy it waits for, and goes on
    // when that changes.
    mesh.write("moon.yaml", ZONE.replace("\"b\"", "\"moon\"").replace("zone b", "zone moon"));
    mesh.run(&["policy", "set", "moon.yaml"]).ok();
    let accepted = submit(&[]);
    let id = accepted["request"].as_str().expect("an id").to_owned();
    mesh.until(|mesh| {
        let shown = mesh.run(&["request", "show", &id]).ok().out;
        shown.contains("waits: ") && shown.contains("policy zone")
    });
    mesh.run(&["policy", "set", "zone.yaml"]).ok();
    mesh.until(|mesh| mesh.run(&["request", "show", &id]).ok().out.contains("finalized"));
    mesh.run(&["policy", "remove", "zone"]).ok();
    mesh.run(&["policy", "remove", "zone"]).refused(1, &["there is no policy zone"]);
    mesh.run(&["policy", "show", "zone"]).refused(1, &["policy zone"]);
}

#[test]
fn a_policy_is_tried_out_without_a_mesh() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    };
    let test = |more: &[&str]| {
        let args = ["policy", "test", "zone.yaml", "--plan", "plan.yaml"];
        trustmesh_in(folder.path(), &[&args, more].concat())
    };
    write("zone.yaml", ZONE);
    write("plan.yaml", PLAN);
    assert!(test(&[]).ok().out.contains("policy zone holds"));
    assert_eq!(test(&["-o", "json"]).json()["holds"], true);
    write("plan.yaml", &PLAN.replace("[n2]", "[n1]"));
    let broken = test(&[]);
    broken.refused(1, &["policy zone is broken"]);
    assert!(broken.out.contains("task a on node n1: tasks run in zone b"), "{broken:?}");
    assert!(broken.out.contains("at fault"), "{broken:?}");
    let broken = test(&["-o", "json"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.out.contains("\"fault\": true"), "{broken:?}");
    write("plan.yaml", &PLAN.replace("[n2]", "[n7]"));
    test(&[]).refused(2, &["plan.yaml", "no node \"n7\"", "n1, n2"]);
    write("plan.yaml", "nodes: 7");
    test(&[]).refused(2, &["plan.yaml"]);
    write("plan.yaml", PLAN);
    write("zone.yaml", &ZONE.replace("labels", "colours"));
    test(&[]).refused(2, &["zone.yaml", "no field `colours` of a node"]);
    write("zone.yaml", "id: zone\n");
    test(&[]).refused(2, &["zone.yaml"]);
}
