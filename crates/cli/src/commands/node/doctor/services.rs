//! What a node uses beside its own files: the container engine, registries.

use super::{Found, check::Check};
use trustmesh_data::artifacts::oci::Registry;
use trustmesh_executor::{ContainerConfig, ContainerRunner, container::EngineState};

/// The container engine, where the ledger says that the node runs containers.
pub async fn engine(found: &Found) -> Check {
    let (network, node) = (found.genesis.network_id(), found.key.public());
    let runner = ContainerRunner::new(ContainerConfig {
        socket: found.config.containers.socket.clone(),
        ..ContainerConfig::new(&network.to_string(), &node.to_string())
    });
    match runner.look().await {
        EngineState::Up { version, arch } => {
            Check::ok("container engine", format!("version {version}, {arch}"))
        }
        EngineState::Down { reason } => Check::warning(
            "container engine",
            format!("containers can't run: {reason}"),
            "start Docker or Podman, or set containers.socket to its unix socket",
        ),
        EngineState::Unknown => {
            Check::warning("container engine", "it was not looked at", "look again")
        }
    }
}

/// Registries' settings, and the files that they name.
pub fn registries(found: &Found, checks: &mut Vec<Check>) {
    for registry in &found.config.registries {
        checks.push(match Registry::new(registry) {
            Ok(registry) => Check::ok("registry", registry.host()),
            Err(error) => {
                Check::problem("registry", error, "mend its [[registries]] in the configuration")
            }
        });
    }
}
