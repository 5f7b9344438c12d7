//! A node's address and the key that it must prove. As text: `KEY@HOST:PORT`, with the key
//! in hexadecimal.

use std::str::FromStr;
use trustmesh_types::{PublicKey, genesis::Genesis, records::NodeInfo};

/// Where a node's API is, and who must answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// The node.
    pub node: PublicKey,
}

/// A text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{got:?} is not an endpoint: {why}; write KEY@HOST:PORT, with the node's public key in hexadecimal"
)]
pub struct EndpointError {
    /// What was given, cut to 120 characters.
    pub got: String,
    /// What is wrong.
    pub why: String,
}

impl Endpoint {
    /// Every node of a genesis.
    #[must_use]
    pub fn of_genesis(genesis: &Genesis) -> Vec<Self> {
        genesis.nodes.iter().map(Self::of_node).collect()
    }

    /// A node as the ledger describes it.
    #[must_use]
    pub fn of_node(info: &NodeInfo) -> Self {
        Self { address: info.http_address.clone(), node: info.key }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = |why: String| EndpointError { got: text.chars().take(120).collect(), why };
        let (key, address) =
            text.split_once('@').ok_or_else(|| error("there is no '@'".to_owned()))?;
        let node = key.parse().map_err(|e| error(format!("key: {e}")))?;
        let port = address.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|p| p.parse::<u16>().is_err()) {
            return Err(error("the address has no port".to_owned()));
        }
        Ok(Self { address: address.to_owned(), node })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.node, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_as_text() {
        let endpoint = Endpoint { address: "[::1]:80".to_owned(), node: PublicKey([7; 32]) };
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        let key = PublicKey([7; 32]);
        for (text, part) in [
            ("localhost:80".to_owned(), "no '@'"),
            ("zz@localhost:80".to_owned(), "key"),
            (format!("{key}@localhost"), "no port"),
            (format!("{key}@localhost:99999"), "no port"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("KEY@HOST:PORT"), "{error}");
        }
    }
}
