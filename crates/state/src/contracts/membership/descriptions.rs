//! What may be said of a node or an operator, in genesis as later.

use super::{invalid, values};
use std::collections::BTreeSet;
use trustmesh_types::{
    genesis::{NODE_NAME_RULE, node_name_fits},
    limits,
    records::{NodeInfo, OperatorInfo},
    reject::Rejection,
};

/// Whether a node's description is within its bounds, in genesis as later.
pub(crate) fn check_node(info: &NodeInfo) -> Result<(), Rejection> {
    values::key("the node's key", &info.key)?;
    if !node_name_fits(&info.name) {
        let name: String = info.name.chars().take(80).collect();
        return Err(invalid(format!("{name:?}: {NODE_NAME_RULE}")));
    }
    values::text("the node's architecture", &info.arch, limits::NAME_BYTES_MAX)?;
    address("the node's p2p address", &info.p2p_address)?;
    address("the node's HTTP address", &info.http_address)?;
    let roles = info.roles;
    if !(roles.validator || roles.scheduler || roles.worker) {
        return Err(invalid("the node has no role; give it scheduler, worker, or both"));
    }
    let capacity = info.capacity;
    if roles.worker && (capacity.cpu_millis == 0 || capacity.memory_bytes == 0) {
        return Err(invalid(
            "a worker's attested capacity needs cpu_millis and memory_bytes above zero",
        ));
    }
    let distinct: BTreeSet<_> = info.runtimes.iter().collect();
    if distinct.len() != info.runtimes.len() {
        return Err(invalid("a runtime is named twice; name each once"));
    }
    if info.labels.len() > limits::LABELS_MAX {
        return Err(invalid(format!(
            "the node has {} labels, at most {} are allowed",
            info.labels.len(),
            limits::LABELS_MAX
        )));
    }
    for (name, value) in &info.labels {
        values::text("a label's name", name, limits::NAME_BYTES_MAX)?;
        values::text(&format!("label {name}"), value, limits::TEXT_BYTES_MAX)?;
    }
    Ok(())
}

/// Whether an operator's description is within its bounds.
pub(crate) fn check_operator(info: &OperatorInfo) -> Result<(), Rejection> {
    values::key("the operator's key", &info.key)?;
    values::text("the operator's name", &info.name, limits::NAME_BYTES_MAX)
}

/// `host:port`, the host a name or an address (IPv6 in brackets), the port not zero.
fn address(what: &str, value: &str) -> Result<(), Rejection> {
    values::text(what, value, limits::TEXT_BYTES_MAX)?;
    let host_fits = |host: &str| match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    let fits = value.rsplit_once(':').is_some_and(|(host, port)| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        host_fits(host) && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits {
        return Ok(());
    }
    Err(invalid(format!("{what} {value} is not host:port, like node1.example:9000")))
}
