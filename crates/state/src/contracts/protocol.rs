//! The protocol contract: which version of the rules holds from which height on
//! (docs/membership.md).
//!
//! What always holds: versions follow each other by one, none holds earlier than
//! [`ACTIVATION_EPOCHS_MIN`] epochs after it was ordered, and none is taken back once it holds.
//! Whether a program knows a version is no part of it: one that does not executes the order as
//! all others do, and stops before the first block that the version holds for.

use super::values;
use crate::{machine::Draft, tables::Protocol};
use trustmesh_types::{
    PublicKey,
    events::Event,
    protocol::{ACTIVATION_EPOCHS_MIN, Activation, ProtocolRecord},
    reject::{RejectCode, Rejection},
};

/// Orders that the rules of a version hold from a height on; one that was ordered before and
/// does not hold yet is put off, or brought forward.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the version is not the next one, or the
/// height is too near.
pub fn activate(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    (version, height): (u32, u64),
) -> Result<(), Rejection> {
    values::operator(draft, signer, "activate versions of the protocol")?;
    let now = draft.rules.version;
    if Some(version) != now.checked_add(1) {
        let reason = format!(
            "version {version} can't follow version {now}, which holds now: versions go up by one"
        );
        return Err(Rejection::new(RejectCode::ProtocolOrder, reason));
    }
    let ahead = draft.parameters.epoch_blocks.saturating_mul(ACTIVATION_EPOCHS_MIN);
    let first = draft.height.saturating_add(ahead);
    if height < first {
        let reason = format!(
            "version {version} can hold from height {first} on, not from {height}: nodes need \
             {ACTIVATION_EPOCHS_MIN} epochs to see it coming"
        );
        return Err(Rejection::new(RejectCode::ProtocolOrder, reason));
    }
    let next = Activation { version, height };
    draft.store.put::<Protocol>(&(), &ProtocolRecord { version: now, next: Some(next) });
    draft.emit(Event::ProtocolOrdered(next));
    Ok(())
}

/// Tells when the rules of another version hold from this block on.
pub fn begin_block(draft: &mut Draft<'_>) {
    let begins = draft
        .store
        .get::<Protocol>(&())
        .and_then(|record| record.next)
        .filter(|next| next.height == draft.height);
    if let Some(Activation { version, .. }) = begins {
        draft.touched = true;
        draft.emit(Event::ProtocolBegan { version });
    }
}
