//! The parameters contract: timeouts, weights and limits that operators change (PROTOCOL §3).
//!
//! A change holds from the next block on. Deadlines that are armed keep the times that they
//! were armed with. The engine's own times are fixed while it runs.

use super::values;
use crate::{
    machine::Draft,
    tables::{Settings, SettingsRecord},
};
use trustmesh_types::{
    Digest, PublicKey, codec,
    events::Event,
    genesis::ParametersChange,
    reject::{RejectCode, Rejection},
};

/// Changes the network's parameters.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the change was made on other parameters than
/// those that hold, a value is out of its range, or one that is fixed would change.
pub fn set(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    change: &ParametersChange,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "change parameters")?;
    let Some(settings) = draft.store.get::<Settings>(&()) else {
        return Err(Rejection::new(RejectCode::InvalidValue, "the ledger has no settings"));
    };
    let (old, new) = (&settings.parameters, &change.parameters);
    if change.replaces != Digest::of(&codec::encode(old)) {
        let reason = "the parameters were changed in between; read them and change them again";
        return Err(Rejection::new(RejectCode::Outdated, reason));
    }
    let invalid = |reason: String| Rejection::new(RejectCode::InvalidValue, reason);
    new.validate().map_err(|error| invalid(error.to_string()))?;
    for (name, before, after) in [
        ("idle_interval_ms", old.idle_interval_ms, new.idle_interval_ms),
        ("leader_timeout_ms", old.leader_timeout_ms, new.leader_timeout_ms),
        ("epoch_blocks", old.epoch_blocks, new.epoch_blocks),
        ("protocol_version", old.protocol_version.into(), new.protocol_version.into()),
    ] {
        if before != after {
            return Err(invalid(format!(
                "parameter {name} is {before} for as long as the network runs: genesis sets it"
            )));
        }
    }
    let settings = SettingsRecord { parameters: new.clone(), ..settings };
    draft.store.put::<Settings>(&(), &settings);
    draft.touched = true;
    draft.emit(Event::ParametersChanged);
    Ok(())
}
