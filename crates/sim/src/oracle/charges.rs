//! Whom the ledger charged with a fault: nobody honest (S9), and whether the next node was
//! designated in the same block (PROTOCOL §4, phase 3). The only place of the oracle that reads
//! the event of a fault.

use super::{
    Violation,
    chain::{ChainView, Final},
};
use serde::Serialize;
use std::collections::BTreeSet;
use trustmesh_types::{PublicKey, events::Event, reject::Rejection};

/// A charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Height of the block that holds it.
    pub block: u64,
    /// The node, by index; `None` for who is none.
    pub node: Option<usize>,
    /// The code of the rule that was broken.
    pub code: String,
    /// Designations of the node that ended in this block.
    pub ended: usize,
    /// Of those, how many went to another node, or into the queue when none was left.
    pub passed_on: usize,
}

/// Whom an event charges, and with what.
pub(super) fn charged(event: &Event) -> Option<(&PublicKey, &Rejection)> {
    match event {
        Event::Fault { node, rejection, .. } => Some((node, rejection)),
        _ => None,
    }
}

/// An honest node is charged.
pub(super) fn check(
    evil: &BTreeSet<PublicKey>,
    nodes: &[PublicKey],
    event: &Event,
) -> Option<Violation> {
    let (node, rejection) = charged(event)?;
    let what = || format!("honest node {} is charged: {}", node.short(), rejection.reason);
    // Devices and operators may try to plan, too; who is no node can't be an honest one.
    (nodes.contains(node) && !evil.contains(node)).then(|| Violation::new("S9", what()))
}

/// All charges of a chain.
pub(super) fn charges(nodes: &[PublicKey], chain: &ChainView) -> Vec<Charge> {
    let of_block = |block: &Final| -> Vec<Charge> {
        let charged = block.events.iter().filter_map(charged);
        charged
            .map(|(key, rejection)| {
                let node = nodes.iter().position(|node| node == key);
                let (ended, passed_on) = passed_on(block, key);
                let (block, code) = (block.block.header.height, rejection.code.to_string());
                Charge { block, node, code, ended, passed_on }
            })
            .collect()
    };
    chain.blocks().flat_map(of_block).collect()
}

/// How many designations of a node end in a block, and how many of those requests have another
/// one, or wait, right after.
fn passed_on(block: &Final, key: &PublicKey) -> (usize, usize) {
    let (mut ended, mut passed_on) = (0, 0);
    for (at, event) in block.events.iter().enumerate() {
        let Event::DesignationEnded { request, node, .. } = event else { continue };
        if node != key {
            continue;
        }
        ended += 1;
        let after = block.events.iter().skip(at + 1);
        let next =
            after.filter(|event| event.request() == Some(request)).any(|event| match event {
                Event::Designated { node, .. } => node != key,
                Event::RequestWaiting { .. } => true,
                _ => false,
            });
        passed_on += usize::from(next);
    }
    (ended, passed_on)
}
