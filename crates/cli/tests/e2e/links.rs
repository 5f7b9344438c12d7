//! Networks that are cut, slow and lossy: each node in a network namespace of its own, on one
//! bridge. Skipped where namespaces, bridges or traffic control can't be had.

use crate::{
    daemon::{Daemon, eventually},
    mesh::{Mesh, one_at_a_time},
    run::{Run, skipped, trustmesh_under},
};
use serde_json::Value;
use std::{fs, process::Command, thread, time::Duration};

const CHAIN: &str = "
name: chain
tasks:
  first: { app: noop, timeout: 5s }
  second: { app: noop, after: [first], timeout: 5s }
";
const READY: Duration = Duration::from_secs(60);
/// Several leaders' turns.
const CUT: Duration = Duration::from_secs(12);

/// Runs a program; what it said, when it failed.
fn ip(words: &str) -> Result<(), String> {
    let words: Vec<&str> = words.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("`{}`: {said}", words.join(" ")))
}

/// Five namespaces: a hub with the bridge, where the devices are, and one for each node.
struct Links {
    names: Vec<String>,
}

impl Links {
    fn make() -> Result<Self, String> {
        let mark = std::process::id();
        let mut links = Self { names: Vec::new() };
        for n in 0..=4 {
            let name = format!("tmesh{mark}-{n}");
            ip(&format!("ip netns add {name}"))?;
            links.names.push(name);
        }
        let hub = links.names[0].clone();
        ip(&format!("ip -n {hub} link add hub type bridge"))?;
        ip(&format!("ip -n {hub} addr add 10.87.0.100/24 dev hub"))?;
        ip(&format!("ip -n {hub} link set hub up"))?;
        ip(&format!("ip -n {hub} link set lo up"))?;
        for n in 1..=4 {
            let name = &links.names[n];
            ip(&format!("ip -n {hub} link add p{n} type veth peer name eth netns {name}"))?;
            ip(&format!("ip -n {hub} link set p{n} master hub"))?;
            ip(&format!("ip -n {hub} link set p{n} up"))?;
            ip(&format!("ip -n {name} addr add 10.87.0.{n}/24 dev eth"))?;
            ip(&format!("ip -n {name} link set eth up"))?;
            ip(&format!("ip -n {name} link set lo up"))?;
        }
        Ok(links)
    }

    fn under(&self, n: usize) -> Vec<String> {
        ["ip", "netns", "exec", &self.names[n]].map(str::to_owned).to_vec()
    }

    /// Cuts a node off, or joins it again.
    fn set(&self, n: usize, state: &str) {
        ip(&format!("ip -n {} link set p{n} {state}", self.names[0])).expect("a link");
    }

    /// Makes a node's link slow and lossy; says why it can't.
    fn spoil(&self, n: usize) -> Result<(), String> {
        let device = format!("tc -n {} qdisc add dev eth root", self.names[n]);
        ip(&format!("{device} netem delay 40ms 10ms loss 3%"))
            // A bucket that is small holds packets back, and drops what does not fit.
            .or_else(|_| ip(&format!("{device} tbf rate 2mbit burst 8k limit 16k")))
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for name in &self.names {
            // Its links go with it.
            let _ = ip(&format!("ip netns del {name}"));
        }
    }
}

/// A mesh whose nodes have addresses on the bridge.
fn mesh_on_bridge() -> Mesh {
    let mesh = Mesh::init();
    let path = mesh.folder().join("genesis.json");
    let mut genesis: Value =
        serde_json::from_slice(&fs::read(&path).expect("a genesis")).expect("JSON");
    for n in 1..=4 {
        let config = mesh.config(n);
        let mut text = fs::read_to_string(&config).expect("a configuration");
        for (field, port) in [("p2p_address", 7_000), ("http_address", 7_001)] {
            let node = &mut genesis["nodes"][n - 1];
            let old = node[field].as_str().expect("an address").to_owned();
            let new = format!("10.87.0.{n}:{port}");
            text = text.replace(&old, &new);
            node[field] = new.into();
        }
        fs::write(&config, text).expect("a configuration");
    }
    fs::write(&path, genesis.to_string()).expect("a genesis");
    for n in 1..=4 {
        let config = mesh.config(n).display().to_string();
        mesh.run(&["node", "prepare", "--config", &config]).ok();
    }
    mesh
}

#[test]
fn cut_slow_and_lossy_links_lose_nothing() {
    let _turn = one_at_a_time();
    let links = match Links::make() {
        Ok(links) => links,
        Err(why) => return skipped("cut_slow_and_lossy_links_lose_nothing", &why),
    };
    let mesh = mesh_on_bridge();
    let start = |n: usize| Daemon::start_under(&links.under(n), &mesh.config(n));
    let mut nodes: Vec<Daemon> = (1..=4).map(start).collect();
    nodes.iter_mut().for_each(Daemon::until_ready);
    let run = |args: &[&str], input: &str| -> Run {
        trustmesh_under(&links.under(0), &mesh.folder(), args, input)
    };
    let status = |n: usize| {
        let name = format!("node-{n}");
        let run = run(&["ledger", "status", "--endpoint", &name, "-o", "json"], "");
        (run.code == Some(0)).then(|| run.json())
    };
    let caught_up = |n: usize| {
        let up = || status(n).is_some_and(|it| it["caught_up"] == true);
        eventually(&format!("node-{n} follows"), READY, up);
    };
    fs::write(mesh.folder().join("noop.wasm"), samples::NOOP).expect("a file can be written");
    mesh.write("chain.yaml", CHAIN);
    run(&["app", "deploy", "noop.wasm"], "").ok();
    run(&["workflow", "create", "chain.yaml"], "").ok();
    run(&["key", "generate", "d.key"], "").ok();
    run(&["device", "register", "d", "d.key.pub"], "").ok();
    let submit = |serial: u32| {
        let args = ["request", "submit", "chain", "-", "--key", "d.key", "--wait"];
        let more = ["--deadline", "90s", "-o", "json"];
        let run = run(&[&args[..], &more[..]].concat(), &format!("{{\"serial\": {serial}}}"));
        assert_eq!(run.json()["outputs"]["second"]["serial"], serial, "{run:?}");
    };
    submit(0);

    // One is cut off: the others go on, and it follows again.
    links.set(4, "down");
    (1..5).for_each(submit);
    links.set(4, "up");
    caught_up(4);

    // Two and two: nothing becomes final, and nothing is lost.
    links.set(3, "down");
    links.set(4, "down");
    thread::sleep(Duration::from_secs(2));
    let before = status(1).expect("it answers")["height"].clone();
    // What is tested is that time passes without a block.
    thread::sleep(CUT);
    assert_eq!(status(1).expect("it answers")["height"], before);
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| submit(5));
        links.set(3, "up");
        links.set(4, "up");
        waiting.join()
    });
    waiting.expect("it ends well");
    (1..=4).for_each(caught_up);

    match (1..=4).try_for_each(|n| links.spoil(n)) {
        Ok(()) => (6..12).for_each(submit),
        Err(why) => skipped("cut_slow_and_lossy_links_lose_nothing, in part", &why),
    }
    (1..=4).for_each(caught_up);
    let nodes = run(&["node", "list", "-o", "json"], "").json();
    assert!(nodes.as_array().is_some_and(|all| all.iter().all(|it| it["faults"] == 0)), "{nodes}");
}
