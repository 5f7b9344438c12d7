//! The membership contract: who takes part (PROTOCOL §1 and §3).
//!
//! One key is one member. The validators are genesis's: nodes admitted later don't vote.

use super::values;
use crate::{
    machine::Draft,
    tables::{Loads, Members},
};
use std::collections::BTreeSet;
use trustmesh_types::{
    PublicKey,
    events::Event,
    genesis::{NODE_NAME_RULE, node_name_fits},
    limits,
    records::{Member, NodeInfo, NodeLoad, OperatorInfo},
    reject::{RejectCode, Rejection},
};

fn invalid(reason: impl Into<String>) -> Rejection {
    Rejection::new(RejectCode::InvalidValue, reason)
}

/// Admits a node that works and plans, but does not vote.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the key is a member's, or a value is out
/// of its bounds.
pub fn admit_node(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    info: &NodeInfo,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "admit nodes")?;
    if let Some(member) = draft.store.get::<Members>(&info.key) {
        return Err(exists(&info.key, &member));
    }
    if info.roles.validator {
        return Err(invalid(
            "the validators are those of genesis; admit the node without the validator role",
        ));
    }
    check_node(info)?;
    let member = Member::Node { info: info.clone(), quarantined: false, changed: draft.height };
    draft.store.put::<Members>(&info.key, &member);
    let load = NodeLoad { changed: draft.height, ..NodeLoad::default() };
    draft.store.put::<Loads>(&info.key, &load);
    draft.touched = true;
    draft.emit(Event::NodeAdmitted { node: info.key });
    Ok(())
}

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

fn exists(key: &PublicKey, member: &Member) -> Rejection {
    let what = match member {
        Member::Operator { .. } => "an operator",
        Member::Node { .. } => "a node",
        Member::Device { .. } => "a device",
    };
    let reason =
        format!("{} is {what} already; one key is one member, use another key", key.short());
    Rejection::new(RejectCode::MemberExists, reason)
}

/// Registers a device, or one anew whose membership was ended.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the key is a member's or nobody's, or the
/// name is out of its bounds.
pub fn register_device(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    device: &PublicKey,
    name: &str,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "register devices")?;
    values::key("the device's key", device)?;
    values::text("the device's name", name, limits::NAME_BYTES_MAX)?;
    // Requests that were open when it was revoked are still counted.
    let open_requests = match draft.store.get::<Members>(device) {
        None => 0,
        Some(Member::Device { revoked: true, open_requests, .. }) => open_requests,
        Some(member) => return Err(exists(device, &member)),
    };
    let member = Member::Device {
        name: name.to_owned(),
        revoked: false,
        open_requests,
        changed: draft.height,
    };
    draft.store.put::<Members>(device, &member);
    draft.emit(Event::DeviceRegistered { device: *device });
    Ok(())
}

/// Ends a device's membership. Its open requests go on.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or there is no such device.
pub fn revoke_device(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    device: &PublicKey,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "revoke devices")?;
    match draft.store.get::<Members>(device) {
        Some(Member::Device { name, revoked: false, open_requests, .. }) => {
            let changed = draft.height;
            let member = Member::Device { name, revoked: true, open_requests, changed };
            draft.store.put::<Members>(device, &member);
            draft.emit(Event::DeviceRevoked { device: *device });
            Ok(())
        }
        _ => {
            let reason =
                format!("{} is no registered device; see `trustmesh device list`", device.short());
            Err(Rejection::new(RejectCode::UnknownMember, reason))
        }
    }
}
