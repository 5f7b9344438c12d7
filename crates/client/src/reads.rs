//! What anybody may read.

use crate::{client::Client, error::ClientError};
use serde::Serialize;
use trustmesh_api::{
    AppView, BlockReceipts, BlockView, Committees, DeviceView, FaultQuery, FaultView, LedgerStatus,
    ListQuery, NodeView, OperatorView, Page, ParametersView, Placements, PolicyView, RangeQuery,
    RawBlocks, RawHeaders, RequestQuery, RequestSummary, RequestView, WorkflowView, paths,
};
use trustmesh_state::{Handover, follow_handovers};
use trustmesh_types::{AppId, PolicyId, PublicKey, RequestId, WorkflowId, genesis::Genesis};

/// A path with a query. Values are names, keys and numbers, which need no escaping.
pub(crate) fn with_query<Q: Serialize>(path: &str, query: &Q) -> String {
    let fields = serde_json::to_value(query).unwrap_or_default();
    let pairs: Vec<String> = fields
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={}", escape(text)),
            None => format!("{name}={value}"),
        })
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Every read fails as a call does ([`ClientError`]).
impl Client {
    /// How the committees followed that of genesis, checked.
    ///
    /// # Errors
    /// [`ClientError::BadAnswer`] as well when one does not follow from the one before.
    pub async fn handovers(&self) -> Result<Vec<Handover>, ClientError> {
        let answer: Committees = self.get(paths::COMMITTEES.to_owned()).await?;
        match follow_handovers(self.genesis_document(), &answer.handovers) {
            Ok(_) => Ok(answer.handovers),
            Err(error) => Err(ClientError::BadAnswer {
                address: paths::COMMITTEES.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// Where the ledger and the node that answers stand.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<LedgerStatus, ClientError> {
        self.get(paths::LEDGER_STATUS.to_owned()).await
    }

    /// The genesis; its digest is checked to be the network's id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn genesis(&self) -> Result<Genesis, ClientError> {
        let genesis: Genesis = self.get(paths::GENESIS.to_owned()).await?;
        if genesis.network_id() == self.network() {
            return Ok(genesis);
        }
        Err(ClientError::BadAnswer {
            address: paths::GENESIS.to_owned(),
            reason: format!("it is the genesis of network {}", genesis.network_id()),
        })
    }

    /// A page of nodes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn nodes(&self, query: &ListQuery) -> Result<Page<NodeView>, ClientError> {
        self.get(with_query(paths::NODES, query)).await
    }

    /// A node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn node(&self, key: &PublicKey) -> Result<NodeView, ClientError> {
        self.get(paths::entry(paths::NODES, key)).await
    }

    /// A page of applications.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn apps(&self, query: &ListQuery) -> Result<Page<AppView>, ClientError> {
        self.get(with_query(paths::APPS, query)).await
    }

    /// An application.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn app(&self, id: &AppId) -> Result<AppView, ClientError> {
        self.get(paths::entry(paths::APPS, id)).await
    }

    /// An application as one node sees it, with how its own copy is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn app_at(&self, node: &PublicKey, id: &AppId) -> Result<AppView, ClientError> {
        self.get_at(node, paths::entry(paths::APPS, id)).await
    }

    /// A page of operators.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn operators(&self, query: &ListQuery) -> Result<Page<OperatorView>, ClientError> {
        self.get(with_query(paths::OPERATORS, query)).await
    }

    /// A page of workflows.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn workflows(&self, query: &ListQuery) -> Result<Page<WorkflowView>, ClientError> {
        self.get(with_query(paths::WORKFLOWS, query)).await
    }

    /// A workflow.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn workflow(&self, id: &WorkflowId) -> Result<WorkflowView, ClientError> {
        self.get(paths::entry(paths::WORKFLOWS, id)).await
    }

    /// A page of policies.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn policies(&self, query: &ListQuery) -> Result<Page<PolicyView>, ClientError> {
        self.get(with_query(paths::POLICIES, query)).await
    }

    /// A policy.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn policy(&self, id: &PolicyId) -> Result<PolicyView, ClientError> {
        self.get(paths::entry(paths::POLICIES, id)).await
    }

    /// A page of devices.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn devices(&self, query: &ListQuery) -> Result<Page<DeviceView>, ClientError> {
        self.get(with_query(paths::DEVICES, query)).await
    }

    /// A device.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn device(&self, key: &PublicKey) -> Result<DeviceView, ClientError> {
        self.get(paths::entry(paths::DEVICES, key)).await
    }

    /// A page of requests.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn requests(
        &self,
        query: &RequestQuery,
    ) -> Result<Page<RequestSummary>, ClientError> {
        self.get(with_query(paths::REQUESTS, query)).await
    }

    /// A request.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn request(&self, id: &RequestId) -> Result<RequestView, ClientError> {
        self.get(paths::request(id)).await
    }

    /// How a node placed a request's tasks, and why. Only the node that planned knows
    /// ([`RequestView::planner`]), and it is its own word.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when that node does not answer, [`ClientError::Refused`]
    /// when it has nothing to say.
    pub async fn placements(
        &self,
        id: &RequestId,
        planner: &PublicKey,
    ) -> Result<Placements, ClientError> {
        self.get_at(planner, paths::request_placement(id)).await
    }

    /// A page of blocks, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn blocks(&self, query: &ListQuery) -> Result<Page<BlockView>, ClientError> {
        self.get(with_query(paths::BLOCKS, query)).await
    }

    /// A block.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn block(&self, height: u64) -> Result<BlockView, ClientError> {
        self.get(paths::entry(paths::BLOCKS, height)).await
    }

    /// What became of a block's transactions.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn block_receipts(&self, height: u64) -> Result<BlockReceipts, ClientError> {
        self.get(paths::block_receipts(height)).await
    }

    /// A page of faults, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn faults(&self, query: &FaultQuery) -> Result<Page<FaultView>, ClientError> {
        self.get(with_query(paths::FAULTS, query)).await
    }

    /// The network's parameters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn parameters(&self) -> Result<ParametersView, ClientError> {
        self.get(paths::PARAMETERS.to_owned()).await
    }

    /// Headers with their certificates, those of pruned blocks too.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn raw_headers(&self, query: &RangeQuery) -> Result<RawHeaders, ClientError> {
        self.get(with_query(paths::RAW_HEADERS, query)).await
    }

    /// Whole blocks with their certificates, for whoever checks them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn raw_blocks(&self, query: &RangeQuery) -> Result<RawBlocks, ClientError> {
        self.get(with_query(paths::RAW_BLOCKS, query)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::records::Status;

    #[test]
    fn queries_are_written_into_the_path() {
        assert_eq!(with_query("/p", &ListQuery::default()), "/p");
        let query = ListQuery { limit: Some(7), after: Some("a b&c".to_owned()) };
        assert_eq!(with_query("/p", &query), "/p?after=a%20b%26c&limit=7");
        let query = RequestQuery { status: Some(Status::Active), ..RequestQuery::default() };
        assert_eq!(with_query("/p", &query), "/p?status=active");
    }
}
