//! Typed reading of the state. Lists come in key order.

use super::State;
use crate::contracts::schedule;
use crate::tables::{
    AppConditions, Apps, Deadlines, Differences, Faults, Loads, Members, Offenders, Policies,
    Requests, Workflows, deadline,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, Digest, PolicyId, PublicKey, RequestId, TaskId, WorkflowId,
    faults::FaultRecord,
    records::{
        AppCondition, AppRecord, Member, NodeInfo, NodeLoad, PolicyRecord, RequestRecord, Standing,
        WorkflowRecord,
    },
    resources::Resources,
    votes::Round,
};

/// A node: its membership and what it has free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// What its operator says of it.
    pub info: NodeInfo,
    /// Barred from designation and assignment until operators lift it.
    pub quarantined: bool,
    /// Where it stands.
    pub standing: Standing,
    /// Height of the last change of its membership.
    pub changed: u64,
    /// Its snapshot, reservations and misses.
    pub load: NodeLoad,
}

impl NodeView {
    /// What is free on it.
    #[must_use]
    pub fn available(&self) -> Resources {
        self.load.available(&self.info.capacity)
    }

    /// Whether its membership has not ended.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        !matches!(self.standing, Standing::Removed)
    }

    /// Whether its newest snapshot still counts at a block time.
    #[must_use]
    pub const fn live(&self, timestamp_ms: u64) -> bool {
        self.load.snapshot.is_some() && self.load.live_until_ms > timestamp_ms
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// Its identity.
    pub key: PublicKey,
    /// A name for people.
    pub name: String,
    /// Whether its membership was ended.
    pub revoked: bool,
    /// Its requests that have not ended.
    pub open_requests: u32,
    /// Height of the last change.
    pub changed: u64,
}

fn device(key: PublicKey, member: Member) -> Option<DeviceView> {
    match member {
        Member::Device { name, revoked, open_requests, changed } => {
            Some(DeviceView { key, name, revoked, open_requests, changed })
        }
        _ => None,
    }
}

impl State {
    /// The member of a key.
    #[must_use]
    pub fn member(&self, key: &PublicKey) -> Option<Member> {
        self.store().get::<Members>(key)
    }

    /// All members, devices whose membership was ended among them.
    pub fn members(&self) -> impl Iterator<Item = (PublicKey, Member)> {
        self.store().iter::<Members>()
    }

    /// The node of a key.
    #[must_use]
    pub fn node(&self, key: &PublicKey) -> Option<NodeView> {
        self.view(key, self.member(key)?)
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.members().filter_map(|(key, member)| self.view(&key, member)).collect()
    }

    fn view(&self, key: &PublicKey, member: Member) -> Option<NodeView> {
        match member {
            Member::Node { info, quarantined, standing, changed } => {
                let load = self.store().get::<Loads>(key).unwrap_or_default();
                Some(NodeView { info, quarantined, standing, changed, load })
            }
            _ => None,
        }
    }

    /// The device of a key.
    #[must_use]
    pub fn device(&self, key: &PublicKey) -> Option<DeviceView> {
        device(*key, self.member(key)?)
    }

    /// All devices.
    pub fn devices(&self) -> impl Iterator<Item = DeviceView> {
        self.members().filter_map(|(key, member)| device(key, member))
    }

    /// A node's faults that count, or did until an operator pardoned them, oldest first.
    pub fn faults_of(&self, node: &PublicKey) -> impl Iterator<Item = FaultRecord> {
        let node = *node;
        let all = self.store().iter_from::<Faults>(&(node, 0));
        all.take_while(move |((of, _), _)| *of == node).map(|(_, fault)| fault)
    }

    /// All nodes' faults, by node and number.
    pub fn faults(&self) -> impl Iterator<Item = FaultRecord> {
        self.store().iter::<Faults>().map(|(_, fault)| fault)
    }

    /// Whether the ledger has charged a validator for votes of a round, or a later one.
    #[must_use]
    pub fn knows_votes(&self, validator: &PublicKey, round: Round) -> bool {
        let offender = self.store().get::<Offenders>(validator);
        offender.and_then(|it| it.voted).is_some_and(|charged| charged >= round)
    }

    /// Whether the ledger knows that a node's completion of a task contradicts others.
    #[must_use]
    pub fn knows_difference(
        &self,
        request: &RequestId,
        designation: u32,
        task: &TaskId,
        node: &PublicKey,
    ) -> bool {
        let key = schedule::difference(request, designation, task, node);
        self.store().contains::<Differences>(&key)
    }

    /// The application of a name.
    #[must_use]
    pub fn app(&self, id: &AppId) -> Option<AppRecord> {
        self.store().get::<Apps>(id)
    }

    /// All applications, removed ones among them.
    pub fn apps(&self) -> impl Iterator<Item = AppRecord> {
        self.store().iter::<Apps>().map(|(_, record)| record)
    }

    /// What nodes say of their copies of an application, of its newest generation.
    #[must_use]
    pub fn app_conditions(&self, app: &AppRecord) -> BTreeMap<PublicKey, AppCondition> {
        let (id, generation) = (&app.manifest.id, app.generation);
        let from = (id.clone(), PublicKey([0; 32]));
        let all = self.store().iter_from::<AppConditions>(&from);
        all.take_while(|((of, _), _)| of == id)
            .filter(|(_, it)| it.generation == generation)
            .map(|((_, node), it)| (node, it))
            .collect()
    }

    /// What a node says of its copy of an application, of its newest generation.
    #[must_use]
    pub fn app_condition(&self, app: &AppRecord, node: &PublicKey) -> Option<AppCondition> {
        let key = (app.manifest.id.clone(), *node);
        let found = self.store().get::<AppConditions>(&key);
        found.filter(|it| it.generation == app.generation)
    }

    /// Whether a key is an operator's that may publish.
    #[must_use]
    pub fn may_publish(&self, key: &PublicKey) -> bool {
        match self.member(key) {
            Some(Member::Operator { info, revoked, .. }) => info.publisher && !revoked,
            _ => false,
        }
    }

    /// The workflow of a name.
    #[must_use]
    pub fn workflow(&self, id: &WorkflowId) -> Option<WorkflowRecord> {
        self.store().get::<Workflows>(id)
    }

    /// All workflows, retired ones among them.
    pub fn workflows(&self) -> impl Iterator<Item = WorkflowRecord> {
        self.store().iter::<Workflows>().map(|(_, record)| record)
    }

    /// The policy of a name.
    #[must_use]
    pub fn policy(&self, id: &PolicyId) -> Option<PolicyRecord> {
        self.store().get::<Policies>(id)
    }

    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = PolicyRecord> {
        self.store().iter::<Policies>().map(|(_, record)| record)
    }

    /// The request of an id, until its retention ends.
    #[must_use]
    pub fn request(&self, id: &RequestId) -> Option<RequestRecord> {
        self.store().get::<Requests>(id)
    }

    /// All requests whose retention has not ended.
    pub fn requests(&self) -> impl Iterator<Item = RequestRecord> {
        self.store().iter::<Requests>().map(|(_, record)| record)
    }

    /// Requests that have not ended, by their own deadline: each has it armed, and only
    /// they do, so ended ones are not even decoded.
    pub fn open_requests(&self) -> impl Iterator<Item = RequestRecord> {
        self.store()
            .iter::<Deadlines>()
            .filter(|(key, _)| key.kind == deadline::REQUEST)
            .filter_map(|(key, _)| self.request(&RequestId(Digest(key.id))))
    }
}
