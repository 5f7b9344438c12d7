//! What can be wrong with a configuration.

use std::path::PathBuf;
use trustmesh_types::genesis::GenesisError;

/// A configuration that no node can start from.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("can't read {what} {}: {reason}; {}", path.display(), advice(what))]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is no valid configuration.
    #[error("configuration {}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// An environment variable overrides nothing, or with a value of the wrong form.
    #[error("environment variable {variable}: {reason}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A value out of its range.
    #[error("configuration {}: {field} is {got}; use at least {min}", path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        got: u64,
        /// The least that works.
        min: u64,
    },
    /// The genesis is no JSON document of the right form.
    #[error("genesis {}: {reason}", path.display())]
    GenesisForm {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// No network can start from the genesis.
    #[error("genesis {}: {source}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// The node is no member of the network's genesis.
    #[error(
        "key {key} is no node of the genesis {}: use the node's own key, or that network's genesis; a \
         node that was invited later starts with its join file (`trustmesh node run --join FILE`)",
        path.display()
    )]
    NotANode {
        /// The node's public key.
        key: String,
        /// The genesis.
        path: PathBuf,
    },
}

/// What to do where a file can't be read.
fn advice(what: &str) -> &'static str {
    match what {
        "genesis" => {
            "give every node the network's one genesis document, and its path as `genesis` in the \
             node's configuration"
        }
        _ => {
            "name the node's own node.toml; `trustmesh network init` makes one for each node of a \
             local network"
        }
    }
}
