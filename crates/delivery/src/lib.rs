//! Delivery of results (PROTOCOL 4, Finalization and delivery).
//!
//! [`seal`] encrypts a result to the device that asked for it, so that any node may hold
//! and hand it over; [`open`] is the device's side. Nothing here trusts the node that
//! delivers: whether a result is the one the ledger finalized is checked by digest after
//! opening, by the caller.
//!
//! Invariant: a sealed result opens only with the secret key and for the request it was
//! sealed for. Devices use this crate too, so it depends on little.

mod keys;
mod sealed;

pub use keys::{KEY_BYTES, ResultSecret};
pub use sealed::{DeliveryError, Sealed, open, seal};
