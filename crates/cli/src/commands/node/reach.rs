//! Asking nodes themselves how they are: each once, all at the same time, over TLS to the key
//! that the ledger has of them.

use crate::commands::listing;
use serde::Serialize;
use std::time::Duration;
use trustmesh_api::{LedgerStatus, NodeView};
use trustmesh_client::{Client, Endpoint, Options};
use trustmesh_types::{genesis::Genesis, records::Standing};

/// For one node to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What a node said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reached", rename_all = "snake_case")]
pub enum Reach {
    /// It answered.
    Yes(Box<LedgerStatus>),
    /// It did not.
    No {
        /// Why.
        reason: String,
    },
    /// It was not asked: it takes no part any more.
    NotAsked,
}

impl Reach {
    /// What it said.
    pub fn status(&self) -> Option<&LedgerStatus> {
        match self {
            Self::Yes(status) => Some(status),
            Self::No { .. } | Self::NotAsked => None,
        }
    }
}

/// Asks each of the nodes, and gives what they said in the same order.
pub async fn ask(genesis: &Genesis, nodes: &[NodeView]) -> Vec<Reach> {
    listing::answers(nodes.iter().map(|node| one(genesis, node))).await
}

async fn one(genesis: &Genesis, node: &NodeView) -> Reach {
    if matches!(node.standing, Standing::Removed) && !node.votes {
        return Reach::NotAsked;
    }
    let options = Options {
        connect_timeout: TIMEOUT,
        answer_timeout: TIMEOUT,
        rounds: 1,
        limited_rounds: 1,
        ..Options::default()
    };
    let client = Client::with_options(genesis, vec![Endpoint::of_node(&node.info)], options);
    let asked = async { client?.status().await };
    // A name that takes long to look up is out of the client's hands.
    match tokio::time::timeout(2 * TIMEOUT, asked).await {
        Ok(Ok(status)) => Reach::Yes(Box::new(status)),
        Ok(Err(error)) => Reach::No { reason: error.to_string() },
        Err(_) => Reach::No { reason: format!("no answer within {} s", 2 * TIMEOUT.as_secs()) },
    }
}
