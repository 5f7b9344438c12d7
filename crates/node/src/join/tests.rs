//! Join files: read as written, refused when changed, settled once.

use super::*;
use trustmesh_types::{SecretKey, genesis::Genesis};

/// A local network's genesis, and an invitation to it.
fn invited(folder: &Path) -> (JoinFile, SecretKey) {
    let options = crate::local::LocalOptions::default();
    let network = crate::local::LocalNetwork::create(&folder.join("mesh"), &options).unwrap();
    let genesis: Genesis = network.genesis().clone();
    let key = SecretKey::from_seed([42; 32]);
    let mut node = genesis.nodes[0].clone();
    node.key = key.public();
    node.name = "late".into();
    node.p2p_address = "127.0.0.1:4101".into();
    node.http_address = "node.example:4102".into();
    let nodes = genesis.nodes.clone();
    (JoinFile::new(genesis, node, nodes), key)
}

#[test]
fn a_join_file_reads_as_it_was_written_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (join, _) = invited(folder.path());
    let path = folder.path().join("late.json");
    join.store(&path).unwrap();
    assert_eq!(JoinFile::load(&path).unwrap(), join);
    assert!(matches!(join.store(&path), Err(JoinError::Io { action: "create", .. })));
}

#[test]
fn a_join_file_that_was_changed_or_is_newer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (join, _) = invited(folder.path());
    let path = folder.path().join("changed.json");
    let load = |join: &JoinFile| {
        std::fs::write(&path, serde_json::to_string(join).unwrap()).unwrap();
        JoinFile::load(&path)
    };
    let mut other = join.clone();
    other.genesis.name = "another".into();
    assert!(matches!(load(&other), Err(JoinError::OtherGenesis { .. })));
    let newer = JoinFile { version: 2, ..join };
    assert!(matches!(load(&newer), Err(JoinError::Version { got: 2, .. })));
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(JoinFile::load(&path), Err(JoinError::Form { .. })));
}

#[test]
fn a_folder_is_settled_once_and_only_with_the_invited_key() {
    let folder = tempfile::tempdir().unwrap();
    let (join, key) = invited(folder.path());
    let home = folder.path().join("late");
    let settle = |key: Option<&Path>| join.settle(&home, key, ListenOn::default());
    assert!(matches!(settle(None), Err(JoinError::NoKey { .. })));
    let wrong = folder.path().join("wrong.key");
    keystore::store(&wrong, &SecretKey::from_seed([1; 32])).unwrap();
    assert!(matches!(settle(Some(&wrong)), Err(JoinError::OtherKey { .. })));
    assert!(!home.exists(), "nothing is left of what did not work");

    let right = folder.path().join("right.key");
    keystore::store(&right, &key).unwrap();
    let path = settle(Some(&right)).unwrap();
    let config = NodeConfig::load_with(&path, std::iter::empty()).unwrap();
    assert_eq!(config.listen.p2p.to_string(), "127.0.0.1:4101");
    assert_eq!(config.listen.http.to_string(), "0.0.0.0:4102");
    assert_eq!(config.load_genesis().unwrap(), join.genesis);
    assert_eq!(JoinFile::load(config.join.as_deref().unwrap()).unwrap(), join);
    assert_eq!(config.key, right.canonicalize().unwrap());
    assert!(!config.data_dir.exists(), "the node makes it, and knows that it is new");

    let before = std::fs::read(&path).unwrap();
    assert_eq!(settle(None).unwrap(), path, "a second start finds it done");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut other = join.clone();
    other.node.key = SecretKey::from_seed([2; 32]).public();
    let refused = other.settle(&home, Some(&right), ListenOn::default());
    assert!(matches!(refused, Err(JoinError::OtherFolder { .. })));
}

#[test]
fn a_node_listens_on_loopback_only_where_its_address_is_there() {
    for (address, expected) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:1", "[::1]:1"),
        ("localhost:1", "127.0.0.1:1"),
        ("10.0.0.7:1", "0.0.0.0:1"),
        ("[fd00::7]:1", "[::]:1"),
        ("node.example:1", "0.0.0.0:1"),
    ] {
        assert_eq!(listens(address).unwrap().to_string(), expected);
    }
    assert!(listens("node.example").is_err());
}
