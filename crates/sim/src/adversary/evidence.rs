//! Forged evidence (PROTOCOL §4, Execution and Finalization): completions and storage receipts
//! in others' names, and true ones about something else.

use super::{Part, craft, scene::Scene};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, TaskId,
    events::Event,
    evidence::{Completion, DoneTask, Finalization, Progress, SignedCompletion, TaskInput},
    message::Message,
    records::{ActivePlan, RequestRecord},
    request::StorageReceipt,
    workflow::Workflow,
};

/// Ends requests by itself, if anybody believed it.
#[derive(Default)]
pub(super) struct Forger {
    /// A true completion that the ledger holds, of another request.
    other: Option<SignedCompletion>,
}

/// A receipt in a validator's name; true only if the node has that validator's key.
fn receipt(
    scene: &Scene,
    validator: PublicKey,
    (subject, digest, bytes): (Digest, Digest, u64),
) -> StorageReceipt {
    let key = scene.colluders().iter().find(|key| key.public() == validator);
    let key = key.unwrap_or(&scene.key);
    let mut receipt = StorageReceipt::sign(key, &scene.network, subject, digest, bytes);
    receipt.validator = validator;
    receipt
}

impl Forger {
    /// Completions of every open task in the names of the plan's nodes, each on the one before.
    fn completions(
        scene: &Scene,
        record: &RequestRecord,
        workflow: &Workflow,
        plan: &ActivePlan,
    ) -> Vec<SignedCompletion> {
        let output = |task: &TaskId| craft::output(&record.id, task, b"forged");
        let assigned = |task: &TaskId| {
            let of = plan.assignments.iter().find(|a| a.task == *task);
            of.map(|a| a.nodes.clone()).unwrap_or_default()
        };
        let mut forged = Vec::new();
        for task in workflow.topological() {
            let from = |before: &TaskId| TaskInput {
                from: Some(before.clone()),
                digest: Digest::of(&output(before)),
            };
            let mut inputs: Vec<TaskInput> = task.after.iter().map(from).collect();
            inputs.sort_unstable();
            if inputs.is_empty() {
                inputs.push(TaskInput { from: None, digest: record.body.input });
            }
            for node in assigned(&task.id) {
                let own = scene.colluders().iter().find(|key| key.public() == node);
                let completion = Completion {
                    request: record.id,
                    designation: plan.designation,
                    task: task.id.clone(),
                    node,
                    inputs: inputs.clone(),
                    output: Digest::of(&output(&task.id)),
                    output_bytes: output(&task.id).len() as u64,
                    duration_us: 1,
                };
                forged.push(completion.sign(own.unwrap_or(&scene.key), &scene.network));
            }
        }
        forged
    }

    fn confirmed(&mut self, scene: &mut Scene, request: &RequestId) {
        let Some((record, workflow)) = craft::request(scene, request) else { return };
        let Some(plan) = &record.plan else { return };
        let completions = Self::completions(scene, &record, &workflow, plan);
        let validators = scene.state.validators();
        let about = |signed: &SignedCompletion| {
            (record.id.0, signed.completion.output, signed.completion.output_bytes)
        };
        let receipts: Vec<StorageReceipt> = completions
            .iter()
            .flat_map(|signed| validators.iter().map(move |v| (*v, signed)))
            .map(|(validator, signed)| receipt(scene, validator, about(signed)))
            .collect();
        let designation = plan.designation;
        for signed in &completions {
            for to in scene.others() {
                let data = craft::output(&record.id, &signed.completion.task, b"forged").to_vec();
                scene.send(to, Message::Completed { completion: signed.clone(), data: Some(data) });
            }
            scene.did("forges a completion");
        }
        if let Some(task) = workflow.sinks().first().map(|sink| sink.id.clone()) {
            for to in scene.others() {
                let (request, task, receipts) = (record.id, task.clone(), receipts.clone());
                scene.send(to, Message::Receipts { request, task, receipts });
            }
        }
        let done = |completion: &SignedCompletion, receipts: &[StorageReceipt]| DoneTask {
            completion: completion.clone(),
            receipts: receipts.to_vec(),
        };
        let mut progress: Vec<DoneTask> =
            completions.first().map(|signed| done(signed, &receipts)).into_iter().collect();
        scene.transact(Payload::RecordProgress(Progress {
            request: record.id,
            designation,
            done: progress.clone(),
        }));
        if let Some(other) = self.other.clone() {
            progress = vec![done(&other, &receipts)];
            let request = record.id;
            scene.transact(Payload::RecordProgress(Progress {
                request,
                designation,
                done: progress,
            }));
            scene.did("shows evidence about something else");
        }
        let request = record.id;
        scene.transact(Payload::Finalize(Finalization {
            request,
            designation,
            completions,
            receipts,
        }));
        scene.did("finalizes by forged evidence");
    }

    /// Answers for other validators, who never saw what is to be kept.
    fn answer(scene: &mut Scene, from: PublicKey, about: (Digest, Digest, u64)) {
        for validator in scene.victims() {
            let forged = receipt(scene, validator, about);
            scene.send(from, Message::Stored(forged));
        }
        // Its own word, but for other bytes.
        let (subject, digest, bytes) = about;
        let mine = receipt(scene, scene.me, (digest, subject, bytes));
        scene.send(from, Message::Stored(mine));
        scene.did("forges receipts");
    }
}

impl Part for Forger {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        match &input {
            Input::Block(finalized) => {
                for event in &finalized.events {
                    match event {
                        Event::PlanConfirmed { request, .. } => self.confirmed(scene, request),
                        Event::RequestFinalized { request } => {
                            let record = scene.state.request(request);
                            self.other = record.and_then(|r| r.completions.first().cloned());
                        }
                        _ => {}
                    }
                }
            }
            Input::Message { from, message: Message::StoreInput { body, .. } } => {
                let about = (body.id().0, body.input, body.input_bytes);
                Self::answer(scene, *from, about);
            }
            Input::Message { from, message: Message::StoreOutput { completion, .. } } => {
                let of = &completion.completion;
                Self::answer(scene, *from, (of.request.0, of.output, of.output_bytes));
            }
            _ => {}
        }
        Some(input)
    }

    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        // Nobody gets the true receipt, so that the forged ones would have to do.
        if let Effect::Send { message: Message::Stored(receipt), .. } = &effect
            && receipt.validator == scene.me
        {
            return None;
        }
        Some(effect)
    }
}
