//! Notes: bytes that a member anchors in the ledger's order. They stand in the block alone;
//! the state keeps nothing of them.

use trustmesh_types::{
    limits,
    reject::{RejectCode, Rejection},
};

/// Takes a note.
///
/// # Errors
/// [`Rejection`] when it is too long.
pub fn note(bytes: &[u8]) -> Result<(), Rejection> {
    if bytes.len() <= limits::NOTE_BYTES_MAX {
        return Ok(());
    }
    let reason = format!(
        "the note has {} bytes, at most {} are allowed; anchor its digest instead",
        bytes.len(),
        limits::NOTE_BYTES_MAX
    );
    Err(Rejection::new(RejectCode::InvalidValue, reason))
}
