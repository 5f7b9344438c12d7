//! Whom the ledger charged with a fault, and whether the next node was designated in the same
//! block (PROTOCOL §4, phase 3). The only place of the oracle that reads the event of a fault.

use super::chain::{ChainView, Final};
use serde::Serialize;
use trustmesh_types::{PublicKey, events::Event, genesis::Genesis};

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

/// The nodes that a block charges, and why.
pub(super) fn charged(block: &Final) -> impl Iterator<Item = (PublicKey, String)> {
    block.events.iter().filter_map(|event| match event {
        Event::Fault { node, rejection, .. } => {
            Some((*node, format!("{}: {}", rejection.code, rejection.reason)))
        }
        _ => None,
    })
}

/// All charges of a chain.
pub(crate) fn charges(genesis: &Genesis, chain: &ChainView) -> Vec<Charge> {
    let of_block = |block: &Final| -> Vec<Charge> {
        charged(block)
            .map(|(key, reason)| {
                let code = reason.split(':').next().unwrap_or_default().to_owned();
                let node = genesis.nodes.iter().position(|node| node.key == key);
                let (ended, passed_on) = passed_on(block, &key);
                Charge { block: block.block.header.height, node, code, ended, passed_on }
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
