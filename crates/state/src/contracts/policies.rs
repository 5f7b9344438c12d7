//! The policies contract: network-defined rules V (PROTOCOL §3; eq. 5). What is on the ledger
//! was read and checked when it was set; plans are judged by it in `schedule::validation`.
//!
//! Invariants: at most [`limits::POLICIES_MAX`] policies; each compiles. A change gives
//! waiting requests another try.

use super::values;
use crate::{machine::Draft, tables};
use std::sync::Arc;
use trustmesh_policy::{Compiled, Policies};
use trustmesh_types::{
    PolicyId, PublicKey,
    events::Event,
    limits,
    policy::Policy,
    records::PolicyRecord,
    reject::{RejectCode, Rejection},
};

/// Sets a policy, anew or in place of the one of its name.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the policy is none, or there are too many.
pub fn set(draft: &mut Draft<'_>, signer: &PublicKey, policy: &Policy) -> Result<(), Rejection> {
    values::operator(draft, signer, "set policies")?;
    Compiled::new(policy).map_err(|error| {
        let reason = format!("policy {}: {error}", policy.id);
        Rejection::new(RejectCode::InvalidPolicy, bounded(reason))
    })?;
    let there = draft.store.contains::<tables::Policies>(&policy.id);
    let max = limits::POLICIES_MAX;
    if !there && draft.store.iter::<tables::Policies>().count() >= max {
        let reason = format!(
            "the network has {max} policies, the most allowed; remove one, or put two into one \
             with `&&`"
        );
        return Err(Rejection::new(RejectCode::InvalidPolicy, reason));
    }
    let record = PolicyRecord { policy: policy.clone(), setter: *signer, changed: draft.height };
    draft.store.put::<tables::Policies>(&policy.id, &record);
    changed(draft, Event::PolicySet { policy: policy.id.clone() });
    Ok(())
}

/// Removes a policy.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or there is no such policy.
pub fn remove(draft: &mut Draft<'_>, signer: &PublicKey, id: &PolicyId) -> Result<(), Rejection> {
    values::operator(draft, signer, "remove policies")?;
    if !draft.store.remove::<tables::Policies>(id) {
        let reason = format!("there is no policy {id}; see `trustmesh policy list`");
        return Err(Rejection::new(RejectCode::UnknownPolicy, reason));
    }
    changed(draft, Event::PolicyRemoved { policy: id.clone() });
    Ok(())
}

/// The network's policies, ready to be asked: read once a block.
pub(crate) fn of(draft: &mut Draft<'_>) -> Arc<Policies> {
    if let Some(policies) = &draft.policies {
        return Arc::clone(policies);
    }
    let records: Vec<PolicyRecord> =
        draft.store.iter::<tables::Policies>().map(|(_, record)| record).collect();
    let policies = Arc::new(Policies::new(records.iter().map(|record| &record.policy)));
    draft.policies = Some(Arc::clone(&policies));
    policies
}

fn changed(draft: &mut Draft<'_>, event: Event) {
    draft.policies = None;
    // What no plan could keep to may be possible now.
    draft.touched = true;
    draft.emit(event);
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::TEXT_BYTES_MAX));
    text
}
