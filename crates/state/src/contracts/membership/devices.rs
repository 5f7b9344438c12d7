//! Devices: registered and revoked by operators.

use super::{exists, values};
use crate::{machine::Draft, tables::Members};
use trustmesh_types::{
    PublicKey,
    events::Event,
    limits,
    records::Member,
    reject::{RejectCode, Rejection},
};

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
