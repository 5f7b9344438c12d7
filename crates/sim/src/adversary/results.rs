//! Evil delivery (PROTOCOL §4, Finalization and delivery): a node hands devices results of its
//! own making, other requests' results, or the word that there is none.

use super::{Part, craft, scene::Scene};
use crate::world::Heard;
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_agent::{Bytes, Delivery, Effect};
use trustmesh_types::{
    Digest, RequestId, TaskId,
    evidence::{Completion, SignedCompletion, TaskInput},
    records::RequestRecord,
    workflow::Workflow,
};

/// See the module.
#[derive(Default)]
pub(super) struct Redirector {
    told: u64,
    /// The last result that it held.
    last: Option<Delivery>,
    lied: BTreeMap<RequestId, u64>,
}

/// A result that nobody computed, signed by this node alone.
fn invented(scene: &Scene, record: &RequestRecord, workflow: &Workflow) -> Delivery {
    let output = |task: &TaskId| craft::output(&record.id, task, b"invented");
    let completion = |task: &trustmesh_types::workflow::Task| -> SignedCompletion {
        let from = |before: &TaskId| TaskInput {
            from: Some(before.clone()),
            digest: Digest::of(&output(before)),
        };
        let mut inputs: Vec<TaskInput> = task.after.iter().map(from).collect();
        inputs.sort_unstable();
        if inputs.is_empty() {
            inputs.push(TaskInput { from: None, digest: record.body.input });
        }
        Completion {
            request: record.id,
            designation: record.designation,
            task: task.id.clone(),
            node: scene.me,
            inputs,
            output: Digest::of(&output(&task.id)),
            output_bytes: output(&task.id).len() as u64,
            duration_us: 1,
        }
        .sign(&scene.key, &scene.network)
    };
    let sinks = workflow.sinks().into_iter();
    let outputs: Vec<(TaskId, Bytes)> =
        sinks.map(|sink| (sink.id.clone(), output(&sink.id))).collect();
    Delivery {
        request: record.id,
        result_key: record.body.result_key,
        outputs,
        completions: workflow.topological().into_iter().map(completion).collect(),
        until_ms: u64::MAX,
    }
}

impl Redirector {
    fn lie(&mut self, scene: &Scene, request: &RequestId) -> Option<Heard> {
        let (record, workflow) = craft::request(scene, request)?;
        self.told = self.told.saturating_add(1);
        let other = self.last.clone().filter(|last| last.request != *request);
        Some(match (self.told % 4, other) {
            (1, Some(other)) => {
                scene.did("hands over another request's result");
                Heard::Result(Arc::new(other))
            }
            (2, Some(other)) => {
                scene.did("hands over another result under this request's name");
                let result_key = record.body.result_key;
                Heard::Result(Arc::new(Delivery { request: *request, result_key, ..other }))
            }
            (3, _) => {
                scene.did("says that there is no result");
                Heard::Ended
            }
            _ => {
                scene.did("invents a result");
                Heard::Result(Arc::new(invented(scene, &record, &workflow)))
            }
        })
    }
}

impl Part for Redirector {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let Effect::Deliver(mut delivery) = effect else { return Some(effect) };
        self.last = Some(delivery.clone());
        // What it holds from now on: other bytes, or the right ones sealed to another key.
        if delivery.request.0.0.first().is_some_and(|first| first.is_multiple_of(2)) {
            for (_, data) in &mut delivery.outputs {
                *data = craft::altered(data).into();
            }
            scene.did("alters a result");
        } else {
            delivery.result_key = Digest::of(b"another device's key");
            scene.did("seals a result to another device");
        }
        Some(Effect::Deliver(delivery))
    }

    fn tells(
        &mut self,
        scene: &mut Scene,
        request: &RequestId,
        heard: Option<Heard>,
    ) -> Option<Heard> {
        let lied = self.lied.entry(*request).or_default();
        *lied = lied.saturating_add(1);
        // The first word is a lie; later ones are what it holds.
        if *lied == 1 { self.lie(scene, request) } else { heard }
    }
}
