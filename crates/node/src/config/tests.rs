//! Configurations that are read, and ones that are refused with their place.

use super::{ConfigError, NodeConfig};
use std::path::PathBuf;

const GOOD: &str = "data_dir = \"data\"\ngenesis = \"../genesis.json\"\nkey = \"node.key\"\n\
                    [listen]\np2p = \"127.0.0.1:1\"\nhttp = \"127.0.0.1:2\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<NodeConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let mut config = NodeConfig::load_with(&path, variables)?;
    config.data_dir =
        config.data_dir.strip_prefix(folder.path()).map_or(PathBuf::new(), PathBuf::from);
    Ok(config)
}

#[test]
fn paths_are_relative_to_the_file_and_the_environment_goes_over_it() {
    let config =
        load(GOOD, &[("TRUSTMESH_NODE_HTTP__REQUEST_TIMEOUT_MS", "500"), ("OTHER", "x")]).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("data"));
    assert_eq!(config.http.request_timeout_ms, 500);
}

#[test]
fn only_a_test_shifts_the_clock() {
    let config = load(GOOD, &[]).unwrap();
    assert_eq!(config.testing.clock_offset_ms, 0);
    assert!(!toml::to_string(&config).unwrap().contains("testing"), "nobody is told of it");
    let shifted = load(&format!("{GOOD}[testing]\nclock_offset_ms = -300000\n"), &[]).unwrap();
    assert_eq!(shifted.testing.clock_offset_ms, -300_000);
    let text = toml::to_string(&shifted).unwrap();
    assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), shifted);
}

#[test]
fn what_is_wrong_is_named() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 5] = [
        ("data_dir = \n", &[], "line 1"),
        (&GOOD.replace("key =", "kee ="), &[], "kee"),
        (&format!("{GOOD}[http]\nconnections_max = 0\n"), &[], "http.connections_max is 0"),
        (GOOD, &[("TRUSTMESH_NODE_DATADIR", "x")], "TRUSTMESH_NODE_DATA_DIR"),
        (GOOD, &[("TRUSTMESH_NODE_HTTP__LONG_POLLS_MAX", "many")], "\"many\""),
    ];
    for (text, variables, part) in cases {
        let message = load(text, variables).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    }
    let missing = NodeConfig::load_with(&PathBuf::from("no-such.toml"), std::iter::empty());
    assert!(missing.unwrap_err().to_string().contains("no-such.toml"));
}
