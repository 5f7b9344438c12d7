//! Nodes, as operators order it and as they say themselves.
//!
//! What always holds: a node plans and works at once when it is admitted, and no more at once
//! when it goes; its vote comes and goes with a committee. A change that would leave too few
//! validators, or too few of them up to decide anything, is refused.

use super::{check_node, exists, invalid, succession, values};
use crate::{
    contracts::schedule,
    machine::Draft,
    tables::{Loads, Members, Readiness},
};
use trustmesh_types::{
    PublicKey,
    events::Event,
    limits,
    records::{Member, NodeInfo, NodeLoad, Standing},
    reject::{RejectCode, Rejection},
};

/// A node that is a member: what is said of it, whether it is quarantined, where it stands.
type Found = (NodeInfo, bool, Standing);

fn found(draft: &Draft<'_>, node: &PublicKey) -> Result<Found, Rejection> {
    match draft.store.get::<Members>(node) {
        Some(Member::Node { info, quarantined, standing, .. }) if standing != Standing::Removed => {
            Ok((info, quarantined, standing))
        }
        _ => {
            let reason = format!("{} is no node; see `trustmesh node list`", node.short());
            Err(Rejection::new(RejectCode::UnknownMember, reason))
        }
    }
}

fn put(draft: &mut Draft<'_>, info: NodeInfo, quarantined: bool, standing: Standing) {
    let key = info.key;
    let member = Member::Node { info, quarantined, standing, changed: draft.height };
    draft.store.put::<Members>(&key, &member);
    draft.touched = true;
}

/// Admits a node, or anew one that was removed.
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
    join(draft, info, None)
}

fn join(
    draft: &mut Draft<'_>,
    info: &NodeInfo,
    replaces: Option<PublicKey>,
) -> Result<(), Rejection> {
    match draft.store.get::<Members>(&info.key) {
        None | Some(Member::Node { standing: Standing::Removed, .. }) => {}
        Some(member) => return Err(exists(&info.key, &member)),
    }
    check_node(info)?;
    let standing =
        if info.roles.validator { Standing::Joining { replaces } } else { Standing::Ready };
    put(draft, info.clone(), false, standing);
    let load = draft.store.get::<Loads>(&info.key).unwrap_or_default();
    let load = NodeLoad { changed: draft.height, ..load };
    draft.store.put::<Loads>(&info.key, &load);
    draft.emit(Event::NodeAdmitted { node: info.key });
    // One that was removed a moment ago may still vote.
    succession::wanted(draft, None)
}

/// Ends a node's membership.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, there is no such node, or the network would
/// be left with too few validators or without a quorum.
pub fn remove_node(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    node: &PublicKey,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "remove nodes")?;
    found(draft, node)?;
    leave(draft, node)?;
    succession::wanted(draft, None)
}

fn leave(draft: &mut Draft<'_>, node: &PublicKey) -> Result<(), Rejection> {
    let (info, ..) = found(draft, node)?;
    put(draft, info, true, Standing::Removed);
    draft.emit(Event::NodeRemoved { node: *node });
    schedule::pass_over(draft, node, "it was removed");
    Ok(())
}

/// Admits a node in place of another. A validator is replaced when the new one is ready, any
/// other node at once.
///
/// # Errors
/// As [`admit_node`] and [`remove_node`].
pub fn replace_node(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    old: &PublicKey,
    new: &NodeInfo,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "replace nodes")?;
    let (info, ..) = found(draft, old)?;
    if info.roles.validator && !new.roles.validator {
        return Err(invalid("a validator is replaced by a validator: give the new node that role"));
    }
    if new.roles.validator {
        return join(draft, new, Some(*old));
    }
    join(draft, new, None)?;
    leave(draft, old)
}

/// Says anew what a node is.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, there is no such node, a value is out of its
/// bounds, or the network would be left with too few validators or without a quorum.
pub fn change_node(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    info: &NodeInfo,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "change nodes")?;
    let (old, quarantined, standing) = found(draft, &info.key)?;
    check_node(info)?;
    let standing = match (old.roles.validator, info.roles.validator, standing) {
        (false, true, Standing::Ready) => Standing::Joining { replaces: None },
        (_, false, Standing::Joining { .. }) => Standing::Ready,
        _ => standing,
    };
    put(draft, info.clone(), quarantined, standing);
    draft.emit(Event::NodeChanged { node: info.key });
    succession::wanted(draft, None)
}

/// Bars a node until it is lifted.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, there is no such node, it is barred already,
/// or the network would be left with too few validators or without a quorum.
pub fn quarantine_node(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    node: &PublicKey,
    reason: &str,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "quarantine nodes")?;
    values::text("the reason", reason, limits::TEXT_BYTES_MAX)?;
    let (info, _, standing) = found(draft, node)?;
    if standing == Standing::Barred {
        return Err(invalid(format!("{} is barred already", node.short())));
    }
    put(draft, info, true, Standing::Barred);
    draft.emit(Event::NodeBarred { node: *node, reason: reason.to_owned() });
    schedule::pass_over(draft, node, &format!("it was quarantined: {reason}"));
    succession::wanted(draft, None)
}

/// A node says that it is ready to vote. One that votes already asks for a new committee: it
/// has lost its votes, and knows of none that it will cast there.
///
/// # Errors
/// [`Rejection`] when the signer is no node that is to be a validator, has said so a moment
/// ago, or the network would be left without a quorum.
pub fn ready(draft: &mut Draft<'_>, signer: &PublicKey) -> Result<(), Rejection> {
    let (info, quarantined, standing) = found(draft, signer)?;
    if !info.roles.validator || standing == Standing::Barred {
        let reason = format!("node {} is not to be a validator", signer.short());
        return Err(Rejection::new(RejectCode::WrongRole, reason));
    }
    let epoch = draft.height.checked_div(draft.parameters.epoch_blocks).unwrap_or(0);
    let said = draft.store.get::<Readiness>(signer);
    if said.is_some_and(|said| epoch < said.saturating_add(limits::READY_EPOCHS)) {
        let reason = format!(
            "node {} has said that it is ready less than {} epochs ago",
            signer.short(),
            limits::READY_EPOCHS
        );
        return Err(Rejection::new(RejectCode::TooSoon, reason));
    }
    draft.store.put::<Readiness>(signer, &epoch);
    if let Standing::Joining { replaces: Some(old) } = standing
        && found(draft, &old).is_ok()
    {
        leave(draft, &old)?;
    }
    put(draft, info, quarantined, Standing::Ready);
    draft.emit(Event::NodeReady { node: *signer });
    succession::wanted(draft, Some(signer))
}
