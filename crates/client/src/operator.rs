//! An operator: changes the network by signed transactions (PROTOCOL §3). Every method
//! returns once the change is final.

use crate::{client::Client, error::ClientError, outside, transact::Included};
use reqwest::Method;
use std::time::Duration;
use trustmesh_api::{ArtifactReceipts, auth, paths};
use trustmesh_types::{
    AppId, Digest, Domain, Payload, PolicyId, PublicKey, RequestId, SecretKey, WorkflowId, codec,
    genesis::{Parameters, ParametersChange},
    policy::Policy,
    records::{AppManifest, AppState, NodeInfo, Runtime},
    request::StorageReceipt,
    resources::Resources,
    transaction::Deployment,
    workflow::Workflow,
};

/// For an upload of the largest artifact, with every validator's fetching it.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// What a publisher says of an application, beside its artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSpec {
    /// Its name.
    pub id: AppId,
    /// A version for people.
    pub version: String,
    /// How it is run.
    pub runtime: Runtime,
    /// What each run of a task reserves.
    pub requirements: Resources,
    /// Whether equal inputs give equal outputs on every node.
    pub deterministic: bool,
}

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

    /// Uploads an artifact until f+1 validators hold it, and puts the application on the
    /// ledger.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn deploy_app(
        &self,
        spec: AppSpec,
        artifact: Vec<u8>,
    ) -> Result<Included, ClientError> {
        let manifest = AppManifest {
            id: spec.id,
            version: spec.version,
            runtime: spec.runtime,
            artifact: Digest::of(&artifact),
            artifact_bytes: artifact.len() as u64,
            requirements: spec.requirements,
            deterministic: spec.deterministic,
        };
        let receipts = self.upload(artifact).await?;
        let network = self.client.network();
        let publisher_signature =
            self.key.sign(Domain::Artifact, &network, &codec::encode(&manifest));
        let deployment = Deployment { manifest, publisher_signature, receipts };
        self.transact(Payload::DeployApp(deployment)).await
    }

    /// Uploads an artifact and gives the receipts of the validators that hold it.
    ///
    /// # Errors
    /// [`ClientError`]; also when a receipt is for something else or not signed.
    pub async fn upload(&self, artifact: Vec<u8>) -> Result<Vec<StorageReceipt>, ClientError> {
        let network = self.client.network();
        let digest = Digest::of(&artifact);
        let signed = auth::Call { method: "POST", target: paths::ARTIFACTS, body: &artifact };
        let headers = signed.sign(&self.key, &network, outside::now_ms()).pairs().into();
        let mut call = self.client.call_get(paths::ARTIFACTS.to_owned());
        call.method = Method::POST;
        call.headers = headers;
        call.content_type = Some("application/octet-stream");
        call.timeout = UPLOAD_TIMEOUT;
        call.body = artifact;
        let (answer, node): (ArtifactReceipts, _) = self.client.send(&call).await?;
        let good = |r: &StorageReceipt| {
            r.digest == digest && r.subject == digest && r.verify(&network).is_ok()
        };
        if answer.artifact == digest && answer.receipts.iter().all(good) {
            return Ok(answer.receipts);
        }
        Err(ClientError::BadAnswer {
            address: format!("node {}", node.short()),
            reason: "its storage receipts are not for the artifact that was sent".to_owned(),
        })
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
        replaces: Digest,
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
