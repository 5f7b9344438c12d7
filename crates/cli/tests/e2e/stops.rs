//! Nodes that are told to stop, and nodes that stand still.

use crate::{
    daemon::{Daemon, eventually},
    load,
    mesh::{Mesh, one_at_a_time},
};
use nix::sys::signal::Signal;
use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};
use trustmesh_client::{Client, ClientError, Endpoint, Options};
use trustmesh_node::local::LocalNetwork;
use trustmesh_types::{Digest, TxId};

/// A node ends by itself within this time, told to: 5 s and the seal's 2 s.
const STOP_MOST: Duration = Duration::from_millis(7_500);
/// Longer than any timeout of protocol, network or API.
const STILL: Duration = Duration::from_secs(35);
const CATCH_UP: Duration = Duration::from_secs(60);
const POLLS: usize = 8;
const POLL: Duration = Duration::from_secs(20);

/// A client of one node alone that asks it once.
fn client_of(mesh: &Mesh, index: usize) -> Client {
    let network = LocalNetwork::open(&mesh.folder()).expect("the mesh's folder");
    let node = Endpoint::of_node(&network.nodes()[index].info);
    let options = Options { rounds: 1, ..Options::default() };
    Client::with_options(network.genesis(), vec![node], options).expect("a client")
}

#[test]
fn a_node_told_to_stop_answers_what_runs_and_ends_in_time() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let mut nodes = Daemon::all_of(&mesh);
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| {
        load.until_more(5);
        let client = client_of(&mesh, 1);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        // Long polls for transactions that there are none of.
        let polls: Vec<_> = (0..POLLS)
            .map(|nth| {
                let (client, id) = (client.clone(), TxId(Digest::of(&nth.to_be_bytes())));
                runtime.spawn(async move { client.find_transaction(&id, POLL).await })
            })
            .collect();
        load.until_more(3);
        assert!(polls.iter().all(|poll| !poll.is_finished()), "a poll does not wait");
        let told = Instant::now();
        nodes[1].signal(Signal::SIGTERM);
        for poll in polls {
            // An answer, not a broken connection.
            match runtime.block_on(poll).expect("no panic") {
                Ok(None) => {}
                Err(ClientError::Unreachable { tried }) if tried[0].reason.contains("stopping") => {
                }
                other => panic!("{other:?}"),
            }
        }
        let (code, _) = nodes[1].ended(STOP_MOST);
        assert_eq!(code, 0, "{}", nodes[1].log());
        assert!(told.elapsed() < STOP_MOST, "{:?}", told.elapsed());
        load.until_more(5);
        nodes[1] = Daemon::start(&mesh.config(2));
        nodes[1].until_ready();
        mesh.until_caught_up("node-2", CATCH_UP);
    });
}

#[test]
fn a_second_signal_ends_a_node_at_once() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let mut nodes = Daemon::all_of(&mesh);
    load::prepare(&mesh);
    // Who says nothing is waited for, for seconds.
    let network = LocalNetwork::open(&mesh.folder()).expect("the mesh's folder");
    let silent = TcpStream::connect(&network.nodes()[3].info.http_address).expect("it listens");
    // It accepts in turn: after this answer it has that connection too.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(client_of(&mesh, 3).status()).expect("it answers");
    nodes[3].signal(Signal::SIGTERM);
    eventually("it begins to stop", CATCH_UP, || nodes[3].said("stopping"));
    nodes[3].signal(Signal::SIGTERM);
    let (code, took) = nodes[3].ended(Duration::from_secs(5));
    assert_eq!(code, 1, "{}", nodes[3].log());
    assert!(nodes[3].said("told to stop again"), "{}", nodes[3].log());
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    drop(silent);
    // Nothing is lost by it.
    nodes[3] = Daemon::start(&mesh.config(4));
    nodes[3].until_ready();
    mesh.until_caught_up("node-4", CATCH_UP);
}

#[test]
fn a_node_that_stands_still_longer_than_every_timeout_goes_on() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let nodes = Daemon::all_of(&mesh);
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| {
        load.until_more(3);
        nodes[2].signal(Signal::SIGSTOP);
        // What is tested is the passing of time itself.
        thread::sleep(STILL);
        load.until_more(3);
        nodes[2].signal(Signal::SIGCONT);
        mesh.until_caught_up("node-3", CATCH_UP);
        load.until_more(3);
    });
    mesh.until_caught_up("node-3", CATCH_UP);
    mesh.agree();
}
