//! Evil transactions (PROTOCOL §2): replayed, expired, foreign, altered, forged, far too many,
//! and reports that lie.

use super::{Part, craft, scene::Scene};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Digest, NetworkId, Payload, SignedTransaction,
    events::Event,
    evidence::TaskFailure,
    plan::Decline,
    records::Member,
    resources::{ResourceReport, Resources, Snapshot},
};

/// Others' transactions of one block that are replayed at most.
const REPLAYS_MAX: usize = 4;
/// Notes that a flooder sends for each block, above what one block may hold of it.
const FLOOD_ABOVE: u32 = 16;
/// A flooder's notes for one block, and in all, at most: so that a world does not only check
/// signatures. Where a block may hold more of one signer, a flood is just load.
const FLOOD_PER_BLOCK_MAX: u32 = 64;
const FLOOD_MAX: u32 = 1_536;

/// Sends others' transactions again: as they were, also when they have expired, for another
/// network, and altered.
#[derive(Default)]
pub(super) struct Replayer {
    oldest: Option<SignedTransaction>,
}

impl Replayer {
    fn expired(&mut self, scene: &mut Scene, taken: &[SignedTransaction]) -> SignedTransaction {
        let over =
            |tx: &SignedTransaction| tx.transaction.valid_until_height <= scene.state.height();
        if self.oldest.is_none() {
            self.oldest = taken.first().cloned();
        }
        if let Some(oldest) = self.oldest.take_if(|tx| over(tx)) {
            return oldest;
        }
        // Nothing of others has expired yet: one of its own that never was valid.
        let me = scene.me;
        let mut own = scene.sign_as(me, Payload::Note { bytes: b"expired".to_vec() }).transaction;
        own.valid_until_height = scene.state.height();
        own.sign(&scene.key)
    }
}

impl Part for Replayer {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        let Input::Block(finalized) = &input else { return Some(input) };
        let me = scene.me;
        let others = finalized.block.transactions.iter().filter(|tx| tx.transaction.signer != me);
        let taken: Vec<SignedTransaction> = others.take(REPLAYS_MAX).cloned().collect();
        let Some(first) = taken.first() else { return Some(input) };
        let mut altered = first.clone();
        altered.transaction.nonce ^= 1;
        let mut foreign = first.clone();
        foreign.transaction.network = NetworkId(Digest::of(b"another network"));
        let own = scene.sign_as(me, Payload::Note { bytes: b"foreign".to_vec() }).transaction;
        let mut own_foreign = own;
        own_foreign.network = foreign.transaction.network;
        let own_foreign = own_foreign.sign(&scene.key);
        let expired = self.expired(scene, &taken);
        for what in ["again", "altered", "for another network", "expired"] {
            scene.did(what);
        }
        scene.bring(taken);
        scene.bring(vec![altered, foreign, own_foreign, expired]);
        Some(input)
    }
}

/// Signs transactions in others' names: what each of them alone may do.
#[derive(Default)]
pub(super) struct Forger {
    operators: bool,
}

impl Forger {
    fn event(scene: &mut Scene, event: &Event) -> Vec<SignedTransaction> {
        let Some((record, workflow)) =
            event.request().and_then(|request| craft::request(scene, request))
        else {
            return Vec::new();
        };
        match event {
            Event::RequestAccepted { request } => {
                let payload = Payload::CancelRequest { request: *request };
                vec![scene.sign_as(record.body.device, payload)]
            }
            Event::Designated { designation, node, .. } if *node != scene.me => {
                let plan = craft::plan(scene, &record, &workflow, *designation);
                let task = workflow.tasks.first().map(|task| task.id.clone());
                let decline = task.map(|task| Decline {
                    request: record.id,
                    designation: *designation,
                    made_at: plan.made_at,
                    task,
                    unfit: Vec::new(),
                });
                let forged =
                    [Some(Payload::ConfirmSchedule(plan)), decline.map(Payload::DeclineSchedule)];
                forged.into_iter().flatten().map(|payload| scene.sign_as(*node, payload)).collect()
            }
            Event::PlanConfirmed { designation, .. } => {
                let plan = record.plan.as_ref();
                let first = plan.and_then(|plan| plan.assignments.first());
                let victim = first.and_then(|a| Some((a.task.clone(), *a.nodes.first()?)));
                let Some((task, node)) = victim.filter(|(_, node)| *node != scene.me) else {
                    return Vec::new();
                };
                let reason = "says an evil node".to_owned();
                let failure = TaskFailure {
                    request: record.id,
                    designation: *designation,
                    task,
                    node,
                    reason,
                };
                vec![scene.sign_as(node, Payload::ReportFailure(failure))]
            }
            _ => Vec::new(),
        }
    }

    /// What only operators may do, in the name of one.
    fn as_operator(&mut self, scene: &mut Scene) -> Vec<SignedTransaction> {
        let operator = scene
            .state
            .members()
            .find_map(|(key, member)| matches!(member, Member::Operator { .. }).then_some(key));
        let device = scene.state.devices().next().map(|device| device.key);
        let (Some(operator), Some(device)) = (operator, device) else { return Vec::new() };
        self.operators = true;
        vec![scene.sign_as(operator, Payload::RevokeDevice { device })]
    }
}

impl Part for Forger {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        let Input::Block(finalized) = &input else { return Some(input) };
        let mut forged = Vec::new();
        if !self.operators {
            forged.extend(self.as_operator(scene));
        }
        for event in &finalized.events {
            forged.extend(Self::event(scene, event));
        }
        for _ in &forged {
            scene.did("signs for another");
        }
        scene.bring(forged);
        Some(input)
    }
}

/// Floods the ledger with valid transactions: for each block more than one may hold of it.
#[derive(Default)]
pub(super) struct Flooder {
    sent: u32,
}

impl Part for Flooder {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        if let Input::Block(finalized) = &input {
            let height = finalized.block.header.height;
            let most = scene.state.parameters().signer_transactions_per_block_max;
            let left = FLOOD_MAX.saturating_sub(self.sent);
            let wave = most.saturating_add(FLOOD_ABOVE).min(FLOOD_PER_BLOCK_MAX).min(left);
            self.sent = self.sent.saturating_add(wave);
            for number in 0..wave {
                let bytes = [height.to_be_bytes().as_slice(), &number.to_be_bytes()].concat();
                scene.transact(Payload::Note { bytes });
                scene.did("floods");
            }
        }
        Some(input)
    }
}

/// Reports that it has nothing, or everything, or what makes no sense.
#[derive(Default)]
pub(super) struct LyingReporter {
    reports: u64,
}

impl LyingReporter {
    fn lie(&mut self, scene: &Scene) -> ResourceReport {
        self.reports = self.reports.saturating_add(1);
        let everything =
            Resources { cpu_millis: u64::MAX, memory_bytes: u64::MAX, disk_bytes: u64::MAX };
        let (foreign, ahead_ms, batch_len) = match self.reports % 4 {
            0 => (Resources::ZERO, 0, u32::MAX),
            1 => (everything, 0, 1),
            2 => (Resources::ZERO, 0, 1),
            _ => (Resources::ZERO, u64::MAX / 2, 0),
        };
        let taken_ms = scene.now_ms.saturating_add(ahead_ms);
        ResourceReport {
            newest: Snapshot { taken_ms, foreign },
            batch_root: Digest::of(&self.reports.to_be_bytes()),
            batch_len,
        }
    }
}

impl Part for LyingReporter {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        let accepted = |event: &Event| matches!(event, Event::RequestAccepted { .. });
        if let Input::Block(finalized) = &input
            && finalized.events.iter().any(accepted)
        {
            let report = self.lie(scene);
            scene.transact(Payload::ReportResources(report));
            scene.did("reports what is not so");
        }
        Some(input)
    }

    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        if let Effect::Transact(Payload::ReportResources(_)) = effect {
            let report = self.lie(scene);
            scene.did("reports what is not so");
            return Some(Effect::Transact(Payload::ReportResources(report)));
        }
        Some(effect)
    }
}
