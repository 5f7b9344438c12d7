//! The membership contract: who takes part (PROTOCOL §1 and §3; docs/membership.md).
//!
//! - `nodes`: admitted, changed, replaced, barred, removed, and ready to vote;
//! - `succession`: which committee follows which, decided at the ends of epochs;
//! - `operators` and `devices`; `descriptions`: the bounds of what is said of a member.
//!
//! One key is one member.

mod descriptions;
mod devices;
mod nodes;
mod operators;
mod succession;

use super::values;
pub(crate) use descriptions::{check_node, check_operator};
pub use devices::{register_device, revoke_device};
pub use nodes::{admit_node, change_node, quarantine_node, ready, remove_node, replace_node};
pub use operators::{admit_operator, revoke_operator};
pub use succession::end_block;
pub(crate) use succession::look_again;
use trustmesh_types::{
    PublicKey,
    records::Member,
    reject::{RejectCode, Rejection},
};

fn invalid(reason: impl Into<String>) -> Rejection {
    Rejection::new(RejectCode::InvalidValue, reason)
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
