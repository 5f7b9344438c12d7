//! Delivering a finalized request's result (PROTOCOL §4, Finalization and delivery): every
//! validator that signed for it puts the sinks' outputs together, to be sealed and held.

use crate::{Delivery, Effect, agenda::Matter, core::Core, duties::fetch, limits, work::Work};
use trustmesh_types::TaskId;

/// Whether the result is delivered, or can't be any more.
pub(crate) fn tick(core: &mut Core, work: &mut Work) -> bool {
    let record = &work.view.record;
    let held_ms = record.ended_ms.saturating_add(limits::RESULT_MS_MIN);
    let until_ms = record.body.deadline_ms.max(held_ms);
    if core.now_ms >= until_ms {
        return true;
    }
    let sinks: Vec<TaskId> = work.view.workflow.sinks().iter().map(|t| t.id.clone()).collect();
    let matter = Matter::Request(work.id);
    let mut outputs = Vec::with_capacity(sinks.len());
    let mut complete = true;
    for sink in sinks {
        let Some(signed) = work.view.record.completion(&sink) else { return true };
        let (output, bytes) = (signed.completion.output, signed.completion.output_bytes);
        let mut sources = work.output_sources(&sink);
        sources.push(signed.completion.node);
        let held = work.outputs.get(&sink).cloned();
        match held.or_else(|| fetch::want(core, output, bytes, &sources, &matter)) {
            Some(data) => {
                work.outputs.insert(sink.clone(), data.clone());
                outputs.push((sink, data));
            }
            None => complete = false,
        }
    }
    if !complete {
        return false;
    }
    let record = &work.view.record;
    let order = work.view.workflow.topological();
    let completions = order
        .iter()
        .flat_map(|task| {
            let done = record.done.get(&task.id).map(|d| &d.completion);
            let named = record.completions.iter().filter(|c| c.completion.task == task.id);
            done.into_iter().chain(named).cloned().collect::<Vec<_>>()
        })
        .collect();
    core.out.push(Effect::Deliver(Delivery {
        request: work.id,
        result_key: record.body.result_key,
        outputs,
        completions,
        until_ms,
    }));
    true
}
