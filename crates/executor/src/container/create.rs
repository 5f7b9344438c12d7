//! A container and its network, with the least that it can run with.

use super::{config::InstanceSpec, egress::Egress, engine::Engine, error::ContainerError};
use bollard::{
    Docker,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, NetworkCreateRequest,
        ResourcesUlimits,
    },
    query_parameters::{CreateContainerOptionsBuilder, InspectNetworkOptions},
};
use std::{collections::HashMap, net::IpAddr};

/// Engines take no less memory.
const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;
/// Kernels take no smaller share of a processor.
const CPU_MILLIS_MIN: u64 = 10;
/// Room of `/tmp` when an application reserves no disk.
const TMP_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;
/// Open files of a container.
const FILES_MAX: i64 = 1_024;
/// A container's log on the engine's disk.
const LOG_BYTES_MAX: &str = "1m";

/// Makes an application's network and container, in place of earlier ones; gives the way out of
/// the network, if there is one.
pub(super) async fn create(
    engine: &Engine,
    docker: &Docker,
    spec: &InstanceSpec,
) -> Result<Option<Egress>, ContainerError> {
    let name = engine.name(&spec.app);
    engine.remove(docker, &name).await?;
    let network = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        // No way out.
        internal: Some(true),
        labels: Some(engine.labels(&spec.app)),
        ..NetworkCreateRequest::default()
    };
    let made = docker.create_network(network).await;
    made.map_err(|error| ContainerError::of("make a network", &error))?;
    let mut environment: Vec<String> =
        spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let egress = if spec.hosts.is_empty() {
        None
    } else {
        let egress = Egress::open(gateway(docker, &name).await?, &spec.hosts)?;
        environment.extend(egress.environment());
        Some(egress)
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let body = ContainerCreateBody {
        image: Some(engine.tag(&spec.image)),
        env: Some(environment),
        labels: Some(engine.labels(&spec.app)),
        hostname: Some(spec.app.clone()),
        attach_stdin: Some(false),
        open_stdin: Some(false),
        tty: Some(false),
        host_config: Some(host_config(engine, spec, &name)),
        ..ContainerCreateBody::default()
    };
    let made = docker.create_container(Some(options), body).await;
    made.map_err(|error| ContainerError::of("make a container", &error))?;
    Ok(egress)
}

/// The host's own address on a network.
async fn gateway(docker: &Docker, name: &str) -> Result<IpAddr, ContainerError> {
    let found = docker.inspect_network(name, None::<InspectNetworkOptions>).await;
    let found = found.map_err(|error| ContainerError::of("show a network", &error))?;
    let configs = found.ipam.and_then(|it| it.config).unwrap_or_default();
    let gateway = configs.into_iter().find_map(|it| it.gateway?.parse().ok());
    gateway.ok_or_else(|| ContainerError::Engine {
        action: "make a network",
        reason: "it has no address of the host".to_owned(),
    })
}

fn signed(amount: u64) -> Option<i64> {
    Some(i64::try_from(amount).unwrap_or(i64::MAX))
}

fn host_config(engine: &Engine, spec: &InstanceSpec, network: &str) -> HostConfig {
    let memory = signed(spec.memory_bytes.max(MEMORY_BYTES_MIN));
    let tmp = if spec.tmp_bytes == 0 { TMP_BYTES_DEFAULT } else { spec.tmp_bytes };
    let tmpfs = format!("rw,noexec,nosuid,nodev,size={tmp}");
    // An image's volumes would be files of the engine's, without a bound.
    let places = spec.volumes.iter().cloned().chain(["/tmp".to_owned()]);
    HostConfig {
        network_mode: Some(network.to_owned()),
        memory,
        // The same sum: no swap.
        memory_swap: memory,
        nano_cpus: signed(spec.cpu_millis.max(CPU_MILLIS_MIN).saturating_mul(1_000_000)),
        pids_limit: Some(engine.config.pids_max),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(FILES_MAX),
            hard: Some(FILES_MAX),
        }]),
        readonly_rootfs: Some(true),
        tmpfs: Some(places.map(|place| (place, tmpfs.clone())).collect()),
        // Old engines ask the machine's own resolver for names, whatever the network (that is
        // how CVE-2024-29018 let them out); the proxy looks names up.
        dns: Some(vec!["127.0.0.1".to_owned()]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        ipc_mode: Some("private".to_owned()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_BYTES_MAX.to_owned()),
                ("max-file".to_owned(), "1".to_owned()),
            ])),
        }),
        ..HostConfig::default()
    }
}
