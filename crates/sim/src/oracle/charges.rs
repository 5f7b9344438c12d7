//! Who is charged with a fault (S9). The one place that reads those events.

use super::Violation;
use std::collections::BTreeSet;
use trustmesh_types::{PublicKey, events::Event, reject::Rejection};

/// Whom an event charges, and with what.
pub(super) fn charged(event: &Event) -> Option<(&PublicKey, &Rejection)> {
    match event {
        Event::Fault { node, rejection, .. } => Some((node, rejection)),
        _ => None,
    }
}

/// An honest node is charged.
pub(super) fn check(evil: &BTreeSet<PublicKey>, event: &Event) -> Option<Violation> {
    let (node, rejection) = charged(event)?;
    let what = || format!("honest node {} is charged: {}", node.short(), rejection.reason);
    (!evil.contains(node)).then(|| Violation::new("S9", what()))
}
