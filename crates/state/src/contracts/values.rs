//! What several contracts check of a transaction: its signer's role, texts and keys.
//!
//! `what` completes the sentence "only operators …", as in "admit nodes".

use crate::{machine::Draft, tables::Members};
use trustmesh_types::{
    PublicKey,
    records::{Member, NodeInfo, OperatorInfo},
    reject::{RejectCode, Rejection},
};

/// The signer as an operator.
pub(crate) fn operator(
    draft: &Draft<'_>,
    signer: &PublicKey,
    what: &str,
) -> Result<OperatorInfo, Rejection> {
    match draft.store.get::<Members>(signer) {
        Some(Member::Operator { info, revoked: false, .. }) => Ok(info),
        _ => {
            let reason = format!(
                "{} is no operator, and only operators {what}; sign with an operator's key",
                signer.short()
            );
            Err(Rejection::new(RejectCode::WrongRole, reason))
        }
    }
}

/// The signer as an operator that may publish.
pub(crate) fn publisher(
    draft: &Draft<'_>,
    signer: &PublicKey,
    what: &str,
) -> Result<OperatorInfo, Rejection> {
    let info = operator(draft, signer, what)?;
    if info.publisher {
        return Ok(info);
    }
    let reason = format!(
        "operator {} may not publish, and only publishers {what}; sign with a publisher's key",
        signer.short()
    );
    Err(Rejection::new(RejectCode::WrongRole, reason))
}

/// The signer as a node.
pub(crate) fn node(
    draft: &Draft<'_>,
    signer: &PublicKey,
    what: &str,
) -> Result<NodeInfo, Rejection> {
    match draft.store.get::<Members>(signer) {
        Some(Member::Node { info, .. }) => Ok(info),
        _ => {
            let reason = format!("{} is no node, and only nodes {what}", signer.short());
            Err(Rejection::new(RejectCode::WrongRole, reason))
        }
    }
}

/// A text for people: not empty, one line, at most `max_bytes`.
pub(crate) fn text(what: &str, value: &str, max_bytes: usize) -> Result<(), Rejection> {
    let reason = if value.is_empty() {
        format!("{what} is empty; give 1 to {max_bytes} bytes")
    } else if value.len() > max_bytes {
        format!("{what} has {} bytes, at most {max_bytes} are allowed", value.len())
    } else if value.chars().any(char::is_control) {
        format!("{what} has a control character; give one line of plain text")
    } else {
        return Ok(());
    };
    Err(Rejection::new(RejectCode::InvalidValue, reason))
}

/// A key that a member can have.
pub(crate) fn key(what: &str, key: &PublicKey) -> Result<(), Rejection> {
    key.check().map_err(|bad| {
        Rejection::new(RejectCode::InvalidValue, format!("{what} {}: {bad}", key.short()))
    })
}
