//! What only a node reads: the engine's votes and certificates, groups of messages, what lies
//! on the ledger's disk, and the files that an operator gives it.

use crate::{memory::bounded, samples};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::LazyLock};
use trustmesh_consensus::hostile::{self, World};
use trustmesh_node::{NodeConfig, inspect, join::JoinFile, keystore};
use trustmesh_types::{SecretKey, genesis::Genesis};

/// A reader of a file.
type FileReader = fn(&Ground, &[u8]);

/// After the engine's decoders the first byte chooses from these.
const FILES: &[(&str, FileReader)] = &[
    ("configuration", configuration),
    ("join file", join_file),
    ("key file", key_file),
    ("marker", marker),
];

/// A node's folder.
struct Ground {
    folder: PathBuf,
    genesis: Genesis,
    config: NodeConfig,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    // As long as the process.
    let folder = tempfile::tempdir().expect("a folder for a node").keep();
    let genesis = samples::genesis();
    let text = serde_json::to_string(&genesis).expect("a genesis is JSON");
    fs::write(folder.join("genesis.json"), text).expect("room for it");
    let path = folder.join("sound.toml");
    fs::write(&path, CONFIGURATION).expect("room for it");
    let config = NodeConfig::load_with(&path, std::iter::empty()).expect("the sample is sound");
    fs::create_dir(&config.data_dir).expect("a data directory");
    Ground { folder, genesis, config }
});

/// A configuration of a node.
pub const CONFIGURATION: &str = "\
data_dir = \"data\"
genesis = \"genesis.json\"
key = \"node.key\"

[listen]
p2p = \"127.0.0.1:9000\"
http = \"127.0.0.1:8000\"
";

/// The input for a decoder of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn input(name: &str, bytes: &[u8]) -> Vec<u8> {
    let engine = hostile::DECODERS.iter().map(|(name, _)| *name);
    let place = engine.chain(FILES.iter().map(|(name, _)| *name)).position(|known| known == name);
    let kind = place.and_then(|at| u8::try_from(at).ok());
    [&[kind.unwrap_or_else(|| panic!("there is no decoder {name}"))], bytes].concat()
}

/// One input.
pub fn run(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let ground = &*GROUND;
    let kind = usize::from(*kind) % (hostile::DECODERS.len() + FILES.len());
    match hostile::DECODERS.get(kind) {
        Some((name, read)) => {
            let mut rng = ChaCha20Rng::from_seed([0; 32]);
            let mut world = World { genesis: &ground.genesis, rng: &mut rng };
            bounded(name, bytes.len(), || read(&mut world, bytes));
        }
        None => {
            let (name, read) = FILES[kind - hostile::DECODERS.len()];
            bounded(name, bytes.len(), || read(ground, bytes));
        }
    }
}

/// Puts a file there.
fn written(path: PathBuf, bytes: &[u8]) -> PathBuf {
    fs::write(&path, bytes).expect("room for it");
    path
}

fn configuration(ground: &Ground, bytes: &[u8]) {
    let path = written(ground.folder.join("node.toml"), bytes);
    if let Ok(config) = NodeConfig::load_with(&path, std::iter::empty()) {
        assert!(config.retention.blocks_min >= 1, "a bound that nothing keeps to");
    }
}

/// What is loaded is of the network that it names.
fn join_file(ground: &Ground, bytes: &[u8]) {
    let path = written(ground.folder.join("join.json"), bytes);
    if let Ok(join) = JoinFile::load(&path) {
        assert_eq!(join.genesis.network_id(), join.network);
        assert!(join.genesis.validate().is_ok());
    }
}

fn key_file(ground: &Ground, bytes: &[u8]) {
    let path = written(ground.folder.join("node.key"), bytes);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    if let Ok(key) = keystore::load(&path) {
        let text = std::str::from_utf8(bytes).expect("a key is text");
        assert_eq!(text.trim().len(), 64, "{}", key.public());
    }
}

fn marker(ground: &Ground, bytes: &[u8]) {
    written(ground.config.data_dir.join("network.json"), bytes);
    let me = SecretKey::from_seed([1; 32]).public();
    // It says what is wrong, or the node would start.
    let _ = inspect::check_directory(&ground.config, &ground.genesis, &me);
}
