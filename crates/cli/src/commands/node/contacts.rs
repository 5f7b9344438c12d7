//! Whom a node knows before it has asked anybody: the nodes of its genesis, and those that its
//! join file names.

use crate::failure::{Done, Failure};
use std::time::Duration;
use trustmesh_client::{Client, Endpoint, Options};
use trustmesh_node::{
    NodeConfig,
    join::{JoinError, JoinFile},
};
use trustmesh_types::{PublicKey, genesis::Genesis, records::NodeInfo};

/// Another node answers within this time, or is not asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The nodes that a node knows, itself among them; what its join file says goes first.
///
/// # Errors
/// [`JoinError`] when it has a join file that can't be read.
pub fn known(config: &NodeConfig, genesis: &Genesis) -> Result<Vec<NodeInfo>, JoinError> {
    let mut known = match &config.join {
        Some(path) => {
            let join = JoinFile::load(path)?;
            let mut nodes = join.nodes;
            nodes.push(join.node);
            nodes
        }
        None => Vec::new(),
    };
    for node in &genesis.nodes {
        if !known.iter().any(|it| it.key == node.key) {
            known.push(node.clone());
        }
    }
    Ok(known)
}

/// A client of all of them but one; `None` when there is no other.
pub fn client(genesis: &Genesis, known: &[NodeInfo], me: &PublicKey) -> Done<Option<Client>> {
    let nodes = known.iter().filter(|node| node.key != *me);
    let endpoints: Vec<Endpoint> = nodes.map(Endpoint::of_node).collect();
    if endpoints.is_empty() {
        return Ok(None);
    }
    let options = Options { answer_timeout: ANSWER_TIMEOUT, rounds: 1, ..Options::default() };
    Client::with_options(genesis, endpoints, options).map(Some).map_err(Failure::failed)
}
