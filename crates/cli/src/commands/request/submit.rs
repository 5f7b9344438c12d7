//! What a device does: submit, cancel, take the result.

use super::{
    arguments::{OneArgs, ResultArgs, SubmitArgs},
    request_id, show,
};
use crate::{
    commands::{changes, parse},
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table, units},
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use tokio::time::Instant;
use trustmesh_api::RequestView;
use trustmesh_client::{Checked, SubmitSpec};
use trustmesh_types::{
    Payload, PublicKey, RequestId, TaskId, WorkflowId, canonical, limits::INPUT_BYTES_MAX,
    records::Status,
};

#[derive(Serialize)]
struct Submitted {
    request: RequestId,
}

/// A result that was opened and checked.
#[derive(Serialize)]
struct ResultAnswer {
    request: RequestId,
    /// Output of every sink.
    outputs: BTreeMap<TaskId, Value>,
    /// Who computed what.
    tasks: Vec<Ran>,
    /// The node that delivered.
    holder: PublicKey,
    /// From before the submission to the checked result; only where this command did both.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_us: Option<u64>,
}

#[derive(Serialize)]
struct Ran {
    task: TaskId,
    node: Option<PublicKey>,
    /// Nodes that shall run it.
    replicas: u8,
    /// How many of them agree on its output.
    agreeing: usize,
    duration_us: Option<u64>,
}

/// Sends data to a workflow.
pub async fn submit(context: &Context, args: &SubmitArgs) -> Done {
    let workflow: WorkflowId = parse::id("workflow", &args.workflow)?;
    let data = json(&args.data)?;
    fits(&data).map_err(|e| e.at(args.data.display()))?;
    let device = context.device()?;
    let start = Instant::now();
    let spec = SubmitSpec { workflow, data, deadline: args.deadline, persist: args.persist };
    let request = device.submit(spec).await?;
    if !args.wait {
        return context.printer.answer(&Submitted { request }, |it| it.request.to_string());
    }
    let waiting = Progress::spinner(&format!("request {} is on its way", request.short()));
    let result = device.result(&request, args.deadline).await;
    drop(waiting);
    let result = result.map_err(|e| {
        Failure::from(e).advise(format!("look at `trustmesh request show {request}`"))
    })?;
    let round_trip_us = u64::try_from(start.elapsed().as_micros()).ok();
    answer(context, request, result, round_trip_us)
}

/// Takes a result.
pub async fn result(context: &Context, args: &ResultArgs) -> Done {
    let device = context.device()?;
    let request = request_id(device.client(), &args.request).await?;
    let result = device.result(&request, args.wait).await?;
    answer(context, request, result, None)
}

/// Ends a request early.
pub async fn cancel(context: &Context, args: &OneArgs) -> Done {
    let (client, key) = (context.client()?, context.key()?);
    let request = request_id(&client, &args.request).await?;
    let view = client.request(&request).await?;
    if view.status.ended() {
        return Err(ended(&view));
    }
    let included = client.transact(&key, Payload::CancelRequest { request }).await?;
    let was = match view.status {
        Status::Active => "its tasks were running",
        _ if view.waiting.is_some() => "it was waiting for a node that could plan it",
        _ => "it had no plan yet",
    };
    let done = format!("request {} is cancelled; {was}", request.short());
    changes::answer(context, done, &included)
}

/// Why an ended request can't be cancelled.
fn ended(view: &RequestView) -> Failure {
    let (id, at) = (view.id.short(), units::utc(view.ended_ms));
    let reason = view.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let how = show::word(view.status);
    Failure::failed(format!("request {id} has ended already: {how} at {at} UTC{reason}"))
        .advise(format!("see `trustmesh request show {}`", view.id))
}

fn answer(
    context: &Context,
    request: RequestId,
    result: Checked,
    round_trip_us: Option<u64>,
) -> Done {
    let ran = result.view.tasks.iter().map(|task| Ran {
        task: task.task.clone(),
        node: task.completed_by,
        replicas: task.replicas,
        agreeing: task.agreeing.len(),
        duration_us: task.duration_us,
    });
    let tasks = ran.collect();
    let (outputs, holder) = (result.outputs, result.holder);
    let answer = ResultAnswer { request, outputs, tasks, holder, round_trip_us };
    context.printer.answer(&answer, text)
}

fn text(it: &ResultAnswer) -> String {
    let mut head = vec![("request", it.request.to_string())];
    if let Some(round_trip_us) = it.round_trip_us {
        head.push(("round trip", units::ms(round_trip_us)));
    }
    for ran in &it.tasks {
        let node = ran.node.as_ref().map_or_else(|| "-".to_owned(), PublicKey::short);
        let took = ran.duration_us.map(units::ms).unwrap_or_default();
        let agree = format!("{} of {} agree", ran.agreeing, ran.replicas);
        head.push(("task", format!("{} on node {node}, {took}, {agree}", ran.task)));
    }
    let mut text = Table::pairs(head);
    for (task, output) in &it.outputs {
        let pretty = serde_json::to_string_pretty(output).unwrap_or_else(|_| output.to_string());
        text += &format!("\n\n{task}:\n{pretty}");
    }
    text
}

/// What counts is the canonical form, which spaces in the file are no part of.
fn fits(data: &Value) -> Done {
    let bytes = canonical::to_canonical(data).map_err(Failure::usage)?.len() as u64;
    if bytes <= INPUT_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the data has {bytes} bytes as canonical JSON, a request's input at most {INPUT_BYTES_MAX}"
    ))
    .advise("send less in one request, or split it into several"))
}

fn json(path: &Path) -> Done<Value> {
    serde_json::from_slice(&parse::read(path)?).map_err(|e| {
        let place = if path == Path::new("-") { "standard input" } else { "the data" };
        Failure::usage(format!("{place} is no JSON: {e}")).at(path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_may_be_as_large_as_the_limit_and_no_larger() {
        // Two quotes belong to the text's canonical form.
        let text = |bytes: u64| Value::String("x".repeat(bytes as usize - 2));
        assert!(fits(&text(INPUT_BYTES_MAX)).is_ok());
        let refused = fits(&text(INPUT_BYTES_MAX + 1)).unwrap_err().to_string();
        assert!(refused.contains(&INPUT_BYTES_MAX.to_string()), "{refused}");
    }
}
