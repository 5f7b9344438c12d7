//! Running this node's tasks of an active plan (PROTOCOL §4, Execution).
//!
//! A source task starts at once with the request's input; an inner one when every actual
//! predecessor's completion and output bytes are here. A task runs once under a designation.
//! What it gives is signed, then kept durably with the signature before anybody hears of it.

use crate::{
    Bytes, Effect, RunId, RunOutput, RunSpec,
    agenda::{Matter, Retry},
    core::{Core, Waiter, cut},
    duties::{apps, fetch, succession},
    envelope, limits,
    work::{Run, Work},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, Payload, PublicKey, TaskId,
    evidence::{Completion, TaskFailure, TaskInput},
    limits::{OUTPUT_BYTES_MAX, TEXT_BYTES_MAX},
    workflow::Task,
};

/// Starts what can start, reports what failed.
pub(crate) fn tick(core: &mut Core, work: &mut Work) {
    let Some(plan) = work.view.active() else { return };
    let late = plan.deadline_ms <= core.now_ms;
    let me = core.me;
    let mine: Vec<Task> = work
        .view
        .open_tasks()
        .into_iter()
        .filter(|t| work.view.assigned(&t.id).contains(&me))
        .cloned()
        .collect();
    for task in &mine {
        match work.runs.get(&task.id) {
            None | Some(Run::Collecting(_)) if !late => start(core, work, task),
            Some(Run::Failed { .. }) => report(core, work, &task.id),
            _ => {}
        }
    }
    let left = mine.iter().any(|t| !matches!(work.runs.get(&t.id), Some(Run::Kept(_))));
    if left {
        work.idle_ms = None;
    } else if work.idle_ms.is_none() {
        work.idle_ms = Some(core.now_ms);
    }
}

/// Runs a task if all it takes is here; else asks for what is missing.
fn start(core: &mut Core, work: &mut Work, task: &Task) {
    let Some(inputs) = work.inputs(task) else { return };
    let mut held = match work.runs.remove(&task.id) {
        Some(Run::Collecting(held)) => held,
        _ => BTreeMap::new(),
    };
    let complete = collect(core, work, &inputs, &mut held);
    let app = core.state.app(&task.app).map(|a| a.manifest);
    let ready = app.filter(|_| apps::runs(core, &task.app));
    if ready.is_none()
        && let Some(why) = apps::failing(core, &task.app)
    {
        // Another node may run it.
        return failed(core, work, &task.id, &why);
    }
    let (Some(manifest), true) = (ready, complete) else {
        work.runs.insert(task.id.clone(), Run::Collecting(held));
        return;
    };
    let Some(plan) = work.view.active() else { return };
    let clock_ms = plan.since_ms;
    let run = RunId { request: work.id, designation: plan.designation, task: task.id.clone() };
    match object(work, task, &held) {
        Ok(input) => {
            let seed = Digest::of_parts(&[
                b"trustmesh run",
                work.id.0.as_ref(),
                task.id.as_str().as_bytes(),
            ]);
            core.out.push(Effect::Run(RunSpec {
                run,
                app: task.app.clone(),
                runtime: manifest.runtime,
                contents: manifest.contents,
                input: input.into(),
                memory_bytes: manifest.requirements.memory_bytes,
                cpu_millis: manifest.requirements.cpu_millis,
                timeout_ms: task.timeout_ms,
                seed: seed.0,
                clock_ms,
                grants: manifest.grants,
            }));
            work.runs.insert(task.id.clone(), Run::Running(inputs));
        }
        Err(error) => failed(core, work, &task.id, &error.to_string()),
    }
}

/// Puts a task's inputs together; whether all are here.
fn collect(
    core: &mut Core,
    work: &Work,
    inputs: &[TaskInput],
    held: &mut BTreeMap<Digest, Bytes>,
) -> bool {
    let matter = Matter::Request(work.id);
    let mut complete = true;
    for input in inputs {
        if held.contains_key(&input.digest) {
            continue;
        }
        let (bytes, sources): (u64, Vec<PublicKey>) = match &input.from {
            None => {
                let record = &work.view.record;
                (record.body.input_bytes, succession::input_sources(core, record))
            }
            Some(before) => {
                let bytes = work.chosen(before).map_or(0, |c| c.completion.output_bytes);
                (bytes, work.output_sources(before))
            }
        };
        match fetch::want(core, input.digest, bytes, &sources, &matter) {
            Some(data) => {
                held.insert(input.digest, data);
            }
            None => complete = false,
        }
    }
    complete
}

/// The object that the application reads.
fn object(
    work: &Work,
    task: &Task,
    held: &BTreeMap<Digest, Bytes>,
) -> Result<Vec<u8>, envelope::NoJson> {
    let body = &work.view.record.body;
    let before: Vec<(&TaskId, &Completion)> = work
        .view
        .before(task)
        .filter_map(|b| work.chosen(&b.id).map(|c| (&b.id, &c.completion)))
        .collect();
    let outputs = before
        .iter()
        .filter_map(|(id, c)| held.get(&c.output).map(|data| (*id, data.as_ref())))
        .collect();
    let source = task.after.is_empty();
    let before_us = if task.replicas > 1 {
        0
    } else {
        before.iter().fold(0u64, |sum, (_, c)| sum.saturating_add(c.duration_us))
    };
    envelope::build(&envelope::Parts {
        input: source.then(|| held.get(&body.input).map(AsRef::as_ref)).flatten(),
        outputs,
        params: &task.params,
        before_us,
    })
}

/// A run ended.
pub(crate) fn ran(
    core: &mut Core,
    work: &mut Work,
    run: &RunId,
    result: Result<RunOutput, String>,
) {
    if work.designation() != Some(run.designation) {
        return;
    }
    let Some(Run::Running(inputs)) = work.runs.get(&run.task) else { return };
    let output = match result {
        Ok(output) => output,
        Err(reason) => return failed(core, work, &run.task, &reason),
    };
    let output_bytes = output.data.len() as u64;
    if output_bytes == 0 || output_bytes > OUTPUT_BYTES_MAX {
        let why = format!(
            "the output has {output_bytes} bytes; an output has 1 to {OUTPUT_BYTES_MAX} bytes"
        );
        return failed(core, work, &run.task, &why);
    }
    let digest = Digest::of(&output.data);
    let signed = Completion {
        request: work.id,
        designation: run.designation,
        task: run.task.clone(),
        node: core.me,
        inputs: inputs.clone(),
        output: digest,
        output_bytes,
        duration_us: output.duration_us,
    }
    .sign(&core.key, &core.network);
    let until_ms = core.kept_until_ms(&work.view.record.body);
    fetch::here(core, digest, Bytes::clone(&output.data));
    core.await_stored(digest, Waiter::Output(run.clone()));
    core.out.push(Effect::KeepOutput { completion: signed.clone(), data: output.data, until_ms });
    work.runs.insert(run.task.clone(), Run::Keeping(signed));
}

/// A run's output is durable, or not.
pub(crate) fn stored(core: &mut Core, work: &mut Work, run: &RunId, result: Result<(), String>) {
    if work.designation() != Some(run.designation) {
        return;
    }
    let Some(Run::Keeping(signed)) = work.runs.get(&run.task) else { return };
    if let Err(reason) = result {
        let why = format!("the node could not keep the output: {reason}");
        return failed(core, work, &run.task, &why);
    }
    let signed = signed.clone();
    kept(core, work, &run.task, signed);
}

/// This node completed a task: durable, so others may hear of it.
pub(crate) fn kept(
    core: &mut Core,
    work: &mut Work,
    task: &TaskId,
    signed: trustmesh_types::evidence::SignedCompletion,
) {
    work.completions.entry(task.clone()).or_default().insert(core.me, signed.clone());
    work.runs.insert(task.clone(), Run::Kept(signed.clone()));
    super::share::completed(core, work, &signed);
    core.poke(Matter::Request(work.id));
}

fn failed(core: &mut Core, work: &mut Work, task: &TaskId, reason: &str) {
    let reason = cut(reason, TEXT_BYTES_MAX);
    core.note(true, Some(work.id), format!("task {task} failed: {reason}"));
    work.runs.insert(task.clone(), Run::Failed { reason, report: Retry::default() });
    report(core, work, task);
}

/// Tells the ledger of a failure, until the plan is no longer active.
fn report(core: &mut Core, work: &mut Work, task: &TaskId) {
    let Some(designation) = work.view.active().map(|p| p.designation) else { return };
    let Some(Run::Failed { reason, report }) = work.runs.get_mut(task) else { return };
    if report.ready(core.now_ms) {
        report.tried(core.now_ms, limits::TRANSACT_MS);
        core.transact(Payload::ReportFailure(TaskFailure {
            request: work.id,
            designation,
            task: task.clone(),
            node: core.me,
            reason: reason.clone(),
        }));
    }
    let at_ms = report.next_ms();
    core.later(Matter::Request(work.id), at_ms);
}
