//! An operator: changes the network by signed transactions (PROTOCOL §3). Every method
//! returns once the change is final.

use crate::{artifacts::Upload, client::Client, error::ClientError, transact::Included};
use trustmesh_types::{
    AppId, Contents, Domain, Payload, PolicyId, PublicKey, RequestId, SecretKey, WorkflowId, codec,
    genesis::{Parameters, ParametersChange},
    policy::Policy,
    records::{AppManifest, AppState, NodeInfo, OperatorInfo},
    request::StorageReceipt,
    resources::Resources,
    transaction::Deployment,
    workflow::Workflow,
};

/// An operator's key, and the network.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
    key: SecretKey,
}

impl Operator {
    /// An operator of a network.
    #[must_use]
    pub fn new(client: Client, key: SecretKey) -> Self {
        Self { client, key }
    }

    /// The network.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The operator's public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs any payload and waits until it is final.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn transact(&self, payload: Payload) -> Result<Included, ClientError> {
        self.client.transact(&self.key, payload).await
    }

    /// The operator's key.
    pub(crate) const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Puts an application on the ledger whose artifact f+1 validators hold.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn deploy(
        &self,
        manifest: AppManifest,
        receipts: Vec<StorageReceipt>,
    ) -> Result<Included, ClientError> {
        let network = self.client.network();
        let publisher_signature =
            self.key.sign(Domain::Artifact, &network, &codec::encode(&manifest));
        let deployment = Deployment { manifest, publisher_signature, receipts };
        self.transact(Payload::DeployApp(deployment)).await
    }

    /// Uploads a module until f+1 validators hold it, and puts a deterministic application of
    /// it on the ledger.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn deploy_module(
        &self,
        id: AppId,
        requirements: Resources,
        module: &[u8],
    ) -> Result<Included, ClientError> {
        let (contents, receipts) = self.upload_module(module).await?;
        self.deploy(AppManifest::module(id, &contents, requirements), receipts).await
    }

    /// Uploads a module until f+1 validators hold it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload_module(
        &self,
        module: &[u8],
    ) -> Result<(Contents, Vec<StorageReceipt>), ClientError> {
        let contents = Contents::of_module(module)
            .map_err(|error| ClientError::Local { what: error.to_string() })?;
        let part = |range: std::ops::Range<u64>| {
            let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
            start.ok().zip(end.ok()).and_then(|(start, end)| module.get(start..end))
        };
        let upload = Upload {
            contents: &contents,
            registry: None,
            read: &|_, range| Ok(part(range).unwrap_or_default().to_vec()),
            progress: &|_, _| (),
        };
        let receipts = self.upload(&upload).await?;
        Ok((contents, receipts))
    }

    /// Lets every node begin an application anew.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn restart_app(&self, app: AppId) -> Result<Included, ClientError> {
        self.transact(Payload::RestartApp { app }).await
    }

    /// Admits an operator, or says anew what one is.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn admit_operator(&self, operator: OperatorInfo) -> Result<Included, ClientError> {
        self.transact(Payload::AdmitOperator(operator)).await
    }

    /// Ends an operator's membership.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn revoke_operator(&self, operator: PublicKey) -> Result<Included, ClientError> {
        self.transact(Payload::RevokeOperator { operator }).await
    }

    /// Starts, stops or removes an application.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn set_app_state(
        &self,
        app: AppId,
        wanted: AppState,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::SetAppState { app, wanted }).await
    }

    /// Creates a workflow, once.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn create_workflow(&self, workflow: Workflow) -> Result<Included, ClientError> {
        self.transact(Payload::CreateWorkflow(workflow)).await
    }

    /// Ends a workflow for new requests.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn retire_workflow(&self, workflow: WorkflowId) -> Result<Included, ClientError> {
        self.transact(Payload::RetireWorkflow { workflow }).await
    }

    /// Sets a policy, anew or in place of the one of its name.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn set_policy(&self, policy: Policy) -> Result<Included, ClientError> {
        self.transact(Payload::SetPolicy(policy)).await
    }

    /// Removes a policy.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn remove_policy(&self, policy: PolicyId) -> Result<Included, ClientError> {
        self.transact(Payload::RemovePolicy { policy }).await
    }

    /// Registers a device.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn register_device(
        &self,
        device: PublicKey,
        name: &str,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::RegisterDevice { device, name: name.to_owned() }).await
    }

    /// Ends a device's membership.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn revoke_device(&self, device: PublicKey) -> Result<Included, ClientError> {
        self.transact(Payload::RevokeDevice { device }).await
    }

    /// Admits a node; one that is to vote does so when it is ready, from a later committee on.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn admit_node(&self, node: NodeInfo) -> Result<Included, ClientError> {
        self.transact(Payload::AdmitNode(node)).await
    }

    /// Ends a node's membership.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn remove_node(&self, node: PublicKey) -> Result<Included, ClientError> {
        self.transact(Payload::RemoveNode { node }).await
    }

    /// Admits a node in place of another.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn replace_node(
        &self,
        old: PublicKey,
        new: NodeInfo,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::ReplaceNode { old, new }).await
    }

    /// Says anew what a node is.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn change_node(&self, node: NodeInfo) -> Result<Included, ClientError> {
        self.transact(Payload::ChangeNode(node)).await
    }

    /// Bars a node from planning, working and voting.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn quarantine_node(
        &self,
        node: PublicKey,
        reason: &str,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::QuarantineNode { node, reason: reason.to_owned() }).await
    }

    /// Orders that the rules of the next version of the protocol hold from a height on.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn activate_protocol(
        &self,
        version: u32,
        height: u64,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::ActivateProtocol { version, height }).await
    }

    /// Lets a quarantined node be designated and assigned again.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn lift_quarantine(&self, node: PublicKey) -> Result<Included, ClientError> {
        self.transact(Payload::LiftQuarantine { node }).await
    }

    /// Changes the network's parameters; `replaces` is the digest of those that hold.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn set_parameters(
        &self,
        parameters: Parameters,
        replaces: trustmesh_types::Digest,
    ) -> Result<Included, ClientError> {
        self.transact(Payload::SetParameters(ParametersChange { parameters, replaces })).await
    }

    /// Ends any request early.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn cancel_request(&self, request: RequestId) -> Result<Included, ClientError> {
        self.transact(Payload::CancelRequest { request }).await
    }
}
