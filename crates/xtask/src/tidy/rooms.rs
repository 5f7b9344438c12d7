//! Rules for each crate's manifest: lints, and who may use whom (ARCHITECTURE "Rooms").
//!
//! A room uses only rooms before it in [`ROOMS`], adapters don't use each other, and the
//! sample applications use no room at all. Development dependencies are free: a test may
//! look from above.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::shown;

/// Lowest first; `sim` stands below `cli`, whose command it is.
const ROOMS: [&str; 15] = [
    "types",
    "policy",
    "state",
    "sched",
    "agent",
    "model",
    "api",
    "consensus",
    "executor",
    "data",
    "delivery",
    "client",
    "node",
    "sim",
    "cli",
];
const ADAPTERS: [&str; 4] = ["consensus", "executor", "data", "delivery"];
/// Beside the rooms, of which they use none.
const TOOLS: [&str; 2] = ["fixtures", "xtask"];
const PREFIX: &str = "trustmesh-";

/// Checks the manifest of the crate at `folder`.
pub(super) fn check(root: &Path, folder: &Path, problems: &mut Vec<String>) -> Result<()> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest: Table =
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let room = folder.strip_prefix(root.join("crates")).ok().and_then(Path::to_str);
    let name = shown(root, &path);
    problems.extend(
        problems_of(room, &manifest).into_iter().map(|problem| format!("{name}: {problem}")),
    );
    Ok(())
}

/// What is wrong with the manifest of `room`, the folder under `crates/`, if it is there.
fn problems_of(room: Option<&str>, manifest: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    let inherits =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if inherits != Some(true) {
        problems.push("add `[lints] workspace = true`".to_owned());
    }
    let place = room.and_then(position);
    match room {
        Some(name) if place.is_none() && !TOOLS.contains(&name) => {
            problems.push(format!(
                "`{name}` is not in the list of rooms (crates/xtask/src/tidy/rooms.rs)"
            ));
            return problems;
        }
        _ => {}
    }
    for used in rooms_used(manifest) {
        match (place, position(&used)) {
            (_, None) => problems.push(format!("`{PREFIX}{used}` is not in the list of rooms")),
            (None, Some(_)) => {
                problems.push(format!("uses `{PREFIX}{used}`, but may use no room"));
            }
            (Some(own), Some(other)) if other >= own => {
                problems.push(format!("uses `{PREFIX}{used}`, a room above or its own"));
            }
            (Some(own), Some(other)) if is_adapter(own) && is_adapter(other) => {
                problems.push(format!("uses `{PREFIX}{used}`: adapters don't use each other"));
            }
            _ => {}
        }
    }
    problems
}

fn position(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

fn is_adapter(place: usize) -> bool {
    ROOMS.get(place).is_some_and(|room| ADAPTERS.contains(room))
}

/// The rooms that a manifest's dependencies and build dependencies name, for any target.
fn rooms_used(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(|targets| targets.values())
        .filter_map(Value::as_table)
        .chain([manifest]);
    let mut used = Vec::new();
    for table in tables {
        for section in ["dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(Value::as_table) else {
                continue;
            };
            for (key, value) in dependencies {
                let renamed = value.get("package").and_then(Value::as_str);
                let package = renamed.unwrap_or(key);
                used.extend(package.strip_prefix(PREFIX).map(str::to_owned));
            }
        }
    }
    used.sort();
    used.dedup();
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(room: Option<&str>, dependencies: &str) -> Vec<String> {
        let text = format!("lints.workspace = true\n{dependencies}\n");
        problems_of(room, &toml::from_str(&text).unwrap())
    }

    #[test]
    fn downwards_is_allowed() {
        for (room, dependencies) in [
            ("types", "dependencies.borsh.workspace = true"),
            ("state", "dependencies.trustmesh-types.workspace = true"),
            ("cli", "dependencies.trustmesh-sim.workspace = true"),
            ("types", "dev-dependencies.trustmesh-state.workspace = true"),
            ("xtask", "dependencies.clap.workspace = true"),
        ] {
            assert_eq!(problems(Some(room), dependencies), [""; 0], "{room}");
        }
    }

    #[test]
    fn upwards_sideways_and_unknown_are_not() {
        for (room, dependencies, part) in [
            (Some("types"), "dependencies.trustmesh-state.workspace = true", "a room above"),
            (Some("sim"), "build-dependencies.trustmesh-cli.workspace = true", "a room above"),
            (Some("data"), "dependencies.trustmesh-executor.workspace = true", "adapters"),
            (Some("state"), "dependencies.x.package = \"trustmesh-node\"", "a room above"),
            (Some("state"), "target.x.dependencies.trustmesh-node.path = \"\"", "a room above"),
            (Some("node"), "dependencies.trustmesh-moon.workspace = true", "not in the list"),
            (Some("moon"), "", "not in the list"),
            (Some("xtask"), "dependencies.trustmesh-types.workspace = true", "no room"),
            (None, "dependencies.trustmesh-types.workspace = true", "no room"),
        ] {
            let found = problems(room, dependencies);
            assert_eq!(found.len(), 1, "{room:?} {dependencies}: {found:?}");
            assert!(found[0].contains(part), "{found:?}");
        }
        assert_eq!(problems_of(Some("types"), &Table::new()).len(), 1, "lints");
    }
}
