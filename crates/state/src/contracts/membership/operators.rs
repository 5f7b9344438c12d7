//! Operators: who may change the network, and publish what runs on it.
//!
//! Invariants: one operator at least is left, and one that may publish; who may publish is for
//! those who may.

use super::{check_operator, exists};
use crate::{
    contracts::{applications, values},
    machine::Draft,
    tables::Members,
};
use trustmesh_types::{
    PublicKey,
    events::Event,
    records::{Member, OperatorInfo},
    reject::{RejectCode, Rejection},
};

/// Admits an operator, one anew whose membership was ended, or says anew what one is. Who may
/// no longer publish has what he published stopped.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or none that may publish where that changes,
/// the key is another member's or nobody's, the name is out of its bounds, or nobody would be
/// left who may publish.
pub fn admit_operator(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    info: &OperatorInfo,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "admit operators")?;
    check_operator(info)?;
    let published = match draft.store.get::<Members>(&info.key) {
        None | Some(Member::Operator { revoked: true, .. }) => false,
        Some(Member::Operator { info, revoked: false, .. }) => info.publisher,
        Some(member) => return Err(exists(&info.key, &member)),
    };
    if published != info.publisher {
        values::publisher(draft, signer, "say who may publish")?;
    }
    if published && !info.publisher {
        check_publisher_left(draft, &info.key)?;
    }
    put(draft, info.clone(), false);
    draft.emit(Event::OperatorAdmitted { operator: info.key });
    Ok(())
}

/// Ends an operator's membership, and stops what the operator has published.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or none that may publish where the other may,
/// there is no such operator, or none would be left, or none that may publish.
pub fn revoke_operator(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    operator: &PublicKey,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "revoke operators")?;
    let Some(Member::Operator { info, revoked: false, .. }) = draft.store.get::<Members>(operator)
    else {
        let reason = format!("{} is no operator", operator.short());
        return Err(Rejection::new(RejectCode::UnknownMember, reason));
    };
    if info.publisher {
        values::publisher(draft, signer, "revoke who may publish")?;
    }
    let left = draft.store.iter::<Members>().any(|(key, member)| {
        key != *operator && matches!(member, Member::Operator { revoked: false, .. })
    });
    if !left {
        let reason = "no operator would be left; admit another one first";
        return Err(Rejection::new(RejectCode::LastOperator, reason));
    }
    if info.publisher {
        check_publisher_left(draft, operator)?;
    }
    put(draft, info, true);
    draft.emit(Event::OperatorRevoked { operator: *operator });
    Ok(())
}

/// That somebody may publish beside an operator.
fn check_publisher_left(draft: &Draft<'_>, operator: &PublicKey) -> Result<(), Rejection> {
    let publishes = |(key, member): (PublicKey, Member)| {
        key != *operator
            && matches!(member, Member::Operator { info, revoked: false, .. } if info.publisher)
    };
    if draft.store.iter::<Members>().any(publishes) {
        return Ok(());
    }
    let reason = "no operator would be left who may publish; let another one first";
    Err(Rejection::new(RejectCode::LastOperator, reason))
}

fn put(draft: &mut Draft<'_>, info: OperatorInfo, revoked: bool) {
    let (key, publishes) = (info.key, info.publisher && !revoked);
    let member = Member::Operator { info, revoked, changed: draft.height };
    draft.store.put::<Members>(&key, &member);
    if !publishes {
        applications::stop_published_by(draft, &key);
    }
}
