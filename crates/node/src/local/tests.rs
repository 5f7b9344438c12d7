//! A mesh's folder: made whole or not at all, and opened again.

use super::{LocalError, LocalNetwork, LocalOptions};
use crate::config::NodeConfig;
use std::net::TcpListener;

#[test]
fn a_folder_is_made_once_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mesh");
    let made = LocalNetwork::create(&path, &LocalOptions::default()).unwrap();
    assert_eq!(made.nodes().len(), 4);
    made.genesis().validate().unwrap();
    for node in made.nodes() {
        let config = NodeConfig::load_with(&node.config(), std::iter::empty()).unwrap();
        assert_eq!(config.load_genesis().unwrap().network_id(), made.genesis().network_id());
        assert_eq!(config.listen.http.to_string(), node.info.http_address);
    }
    assert!(made.status().iter().all(|status| status.pid.is_none()));
    let opened = LocalNetwork::open(&path).unwrap();
    assert_eq!(opened.genesis(), made.genesis());
    let again = LocalNetwork::create(&path, &LocalOptions::default());
    assert!(matches!(again, Err(LocalError::NotEmpty { .. })));
}

#[test]
fn what_can_be_no_mesh_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let three = LocalOptions { nodes: 3, ..LocalOptions::default() };
    let refused = LocalNetwork::create(&folder.path().join("mesh"), &three);
    assert!(matches!(refused, Err(LocalError::Nodes { nodes: 3, .. })));
    let empty = LocalNetwork::open(folder.path());
    assert!(matches!(empty, Err(LocalError::NoNetwork { .. })));
}

#[test]
fn a_taken_port_is_told_from_other_reasons_to_end() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let reason = TcpListener::bind(taken.local_addr().unwrap()).unwrap_err().to_string();
    let ended = |log: String| LocalError::Ended { node: "node-1".to_owned(), log };
    let error = crate::error::BindError { address: "127.0.0.1:1".to_owned(), reason };
    assert!(ended(format!("error: {error}")).port_taken());
    assert!(!ended("error: the key file is gone".to_owned()).port_taken());
}
