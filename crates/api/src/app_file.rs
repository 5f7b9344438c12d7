//! Applications as publishers write them: `app.yaml`, or the same as JSON (docs/applications.md).
//!
//! Reading is strict: an unknown field or an amount without a unit is an error that says where
//! and what to do. What comes out is all of a manifest but the artifact's digests.

use crate::{
    duration,
    form::{self, SyntaxError},
    limits,
    units::{self, UnitError},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trustmesh_types::{
    AppId,
    application::START_TIMEOUT_MS_DEFAULT,
    records::{Grants, Runtime},
    resources::Resources,
};

/// What a run reserves when a file does not say.
pub const REQUIREMENTS_DEFAULT: Resources =
    Resources { cpu_millis: 100, memory_bytes: 32 * 1024 * 1024, disk_bytes: 0 };

/// An application as its file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFile {
    /// Its name.
    pub name: AppId,
    /// A version for people.
    pub version: String,
    /// How it is run.
    pub runtime: Runtime,
    /// Where its artifact is: a file or folder, or `host[:port]/repository[:tag][@digest]`.
    pub artifact: String,
    /// A repository to put it into, and for nodes to take it from: `host[:port]/repository[:tag]`.
    pub registry: Option<String>,
    /// A file with cosign's public key: the image must be signed with it (ADR 0010).
    pub cosign_key: Option<String>,
    /// What each run reserves, and may use.
    pub requirements: Resources,
    /// Architectures that it is there for; empty: any, or those of the image.
    pub architectures: BTreeSet<String>,
    /// Whether equal inputs give equal outputs on every node.
    pub deterministic: bool,
    /// What it may do beside.
    pub grants: Grants,
    /// How long a container may take until it answers.
    pub start_timeout: Duration,
}

/// Why a text is no application's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppFileError {
    /// The text is too long to be one.
    #[error("the file has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// How many it has.
        got_bytes: usize,
        /// How many it may have.
        max_bytes: usize,
    },
    /// It does not parse, or has a field that there is none of.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A field's value has the wrong form.
    #[error("`{field}`: {what}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    #[serde(default = "first_version")]
    version: String,
    runtime: Option<Runtime>,
    artifact: String,
    registry: Option<String>,
    cosign_key: Option<String>,
    #[serde(default)]
    resources: ResourcesEntry,
    #[serde(default)]
    architectures: BTreeSet<String>,
    deterministic: Option<bool>,
    #[serde(default)]
    grants: GrantsEntry,
    #[serde(default)]
    health: HealthEntry,
}

fn first_version() -> String {
    "1".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourcesEntry {
    cpu: Option<Scalar>,
    memory: Option<Scalar>,
    disk: Option<Scalar>,
}

/// YAML reads `2` as a number and `200m` as a text: both are amounts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(u64),
    Decimal(f64),
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Decimal(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsEntry {
    #[serde(default)]
    clock: bool,
    #[serde(default)]
    random: bool,
    #[serde(default)]
    network: BTreeSet<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthEntry {
    start_timeout: Option<String>,
}

fn field(field: &'static str, what: impl ToString) -> AppFileError {
    AppFileError::Field { field, what: what.to_string() }
}

fn amount(
    name: &'static str,
    entry: Option<&Scalar>,
    read: fn(&str) -> Result<u64, UnitError>,
    default: u64,
) -> Result<u64, AppFileError> {
    entry.map_or(Ok(default), |entry| read(&entry.text()).map_err(|e| field(name, e)))
}

/// Reads an application's file.
///
/// # Errors
/// [`AppFileError`].
pub fn read(text: &str) -> Result<AppFile, AppFileError> {
    if text.len() > limits::DEFINITION_BYTES_MAX {
        let max_bytes = limits::DEFINITION_BYTES_MAX;
        return Err(AppFileError::TooLarge { got_bytes: text.len(), max_bytes });
    }
    let document: Document = form::read(text)?;
    let runtime = match document.runtime {
        Some(runtime) => runtime,
        None if document.artifact.ends_with(".wasm") => Runtime::Wasm,
        None => return Err(field("runtime", "say `wasm` or `container`")),
    };
    let GrantsEntry { clock, random, network, environment } = document.grants;
    let pure = runtime == Runtime::Wasm && !clock && !random;
    let resources = &document.resources;
    let default = REQUIREMENTS_DEFAULT;
    let start_timeout = match &document.health.start_timeout {
        Some(text) => duration::parse(text).map_err(|e| field("health.start_timeout", e))?,
        None => Duration::from_millis(START_TIMEOUT_MS_DEFAULT),
    };
    Ok(AppFile {
        name: AppId::new(&document.name).map_err(|e| field("name", e))?,
        version: document.version,
        runtime,
        artifact: document.artifact,
        registry: document.registry,
        cosign_key: document.cosign_key,
        requirements: Resources {
            cpu_millis: amount(
                "resources.cpu",
                resources.cpu.as_ref(),
                units::cpu_millis,
                default.cpu_millis,
            )?,
            memory_bytes: amount(
                "resources.memory",
                resources.memory.as_ref(),
                units::bytes,
                default.memory_bytes,
            )?,
            disk_bytes: amount(
                "resources.disk",
                resources.disk.as_ref(),
                units::bytes,
                default.disk_bytes,
            )?,
        },
        architectures: document.architectures,
        deterministic: document.deterministic.unwrap_or(pure),
        grants: Grants { clock, random, network, environment },
        start_timeout,
    })
}

/// A file to begin with, for `trustmesh app init`.
#[must_use]
pub fn template(name: &AppId, runtime: Runtime) -> String {
    let artifact = match runtime {
        Runtime::Wasm => format!("{name}.wasm             # a WASI command"),
        Runtime::Container => {
            format!(
                "{name}.tar              # of `docker save`, an OCI layout, or host/repository:tag"
            )
        }
    };
    let deterministic = runtime == Runtime::Wasm;
    format!(
        "name: {name}
version: 0.1.0
runtime: {runtime}
artifact: {artifact}
# registry: registry.example:5000/apps/{name}   # put it there, too; nodes also serve each other
# cosign_key: cosign.pub          # what a registry has must be signed with this key
resources:
  cpu: 100m                       # thousandths of a core, or cores as in 0.5
  memory: 64MiB
  disk: 0MiB
# architectures: [x86_64, aarch64]  # default: any for wasm, those of the image for a container
deterministic: {deterministic}               # equal inputs give equal outputs on every node
# grants:                         # nothing unless granted
#   clock: true                   # the real time (wasm; a container always sees it)
#   random: true                  # real randomness (wasm; a container always has it)
#   network: [api.example:443]    # containers only, through the node's proxy (HTTPS_PROXY)
#   environment: {{ LOG_LEVEL: info }}
# health:
#   start_timeout: 30s            # until a container answers on TCP 12345
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_reads_back() {
        let file = read(
            "name: thermometer
version: 1.2.0
runtime: container
artifact: registry.example:5000/apps/thermometer:1.2
registry: registry.example:5000/apps/thermometer
cosign_key: cosign.pub
resources: { cpu: 0.25, memory: 64MiB, disk: 1GiB }
architectures: [x86_64, aarch64]
deterministic: true
grants:
  network: [api.example:443]
  environment: { LOG_LEVEL: info }
health: { start_timeout: 5s }
",
        )
        .unwrap();
        assert_eq!(file.name.as_str(), "thermometer");
        assert_eq!((file.runtime, file.deterministic), (Runtime::Container, true));
        assert_eq!(file.cosign_key.as_deref(), Some("cosign.pub"));
        let expected = Resources { cpu_millis: 250, memory_bytes: 64 << 20, disk_bytes: 1 << 30 };
        assert_eq!(file.requirements, expected);
        assert_eq!(file.architectures.len(), 2);
        assert_eq!(file.grants.environment["LOG_LEVEL"], "info");
        assert_eq!(file.start_timeout, Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let file = read("{\"name\": \"noop\", \"artifact\": \"noop.wasm\"}").unwrap();
        assert_eq!((file.runtime, file.deterministic), (Runtime::Wasm, true));
        assert_eq!((file.requirements, file.version.as_str()), (REQUIREMENTS_DEFAULT, "1"));
        let granted = read("name: a\nartifact: a.wasm\ngrants: { random: true }").unwrap();
        assert!(!granted.deterministic, "real randomness gives other outputs");
        let image = read("name: a\nruntime: container\nartifact: a.tar").unwrap();
        assert!(!image.deterministic, "a container sees the time");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("name: a\nartifact: a.tar", "`runtime`: say"),
            ("name: a b\nartifact: a.wasm", "`name`"),
            ("name: a\nartifact: a.wasm\nresources: { cpu: 1.2345 }", "`resources.cpu`"),
            ("name: a\nartifact: a.wasm\nresources: { memory: 64 parsec }", "`resources.memory`"),
            ("name: a\nartifact: a.wasm\nhealth: { start_timeout: 5 parsecs }", "start_timeout`"),
            ("name: a\nartifact: a.wasm\nrun: wasm", "line 3"),
            ("name: a\nartifact: a.wasm\nruntime: vm", "line 3"),
            ("name: a", "artifact"),
            ("", "line"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn the_template_reads() {
        for runtime in [Runtime::Wasm, Runtime::Container] {
            let text = template(&AppId::new("my-app").unwrap(), runtime);
            let file = read(&text).unwrap();
            assert_eq!(file.runtime, runtime);
            // With its comments taken away it reads, too: they say what there is.
            let all: String = text
                .lines()
                .map(|line| {
                    format!(
                        "{}\n",
                        line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line)
                    )
                })
                .collect();
            let file = read(&all).unwrap();
            assert_eq!(file.architectures.len(), 2);
            assert_eq!(file.start_timeout, Duration::from_secs(30));
        }
    }
}
