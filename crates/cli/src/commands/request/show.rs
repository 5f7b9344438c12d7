//! Where requests stand, and why.

use super::{
    arguments::{ListArgs, ShowArgs},
    request_id,
    why::{self, Reasoned},
};
use crate::{
    commands::listing,
    context::Context,
    failure::Done,
    output::{Table, units},
};
use std::collections::BTreeMap;
use trustmesh_api::{EventView, RequestQuery, RequestView, TaskView};
use trustmesh_client::Client;
use trustmesh_types::{
    PublicKey,
    events::Event,
    records::{Designation, Status},
};

/// Lists requests.
pub async fn list(context: &Context, args: &ListArgs) -> Done {
    let query = RequestQuery {
        limit: Some(args.limit),
        status: args.status.map(Into::into),
        ..RequestQuery::default()
    };
    let page = context.client()?.requests(&query).await?;
    context.printer.answer(&page.items, |requests| {
        let columns = ["request", "workflow", "status", "accepted (UTC)", "took", "reason"];
        let mut table = Table::new(&columns, "no requests");
        for it in requests {
            let took = if it.ended_ms == 0 {
                "-".to_owned()
            } else {
                units::span(it.ended_ms.saturating_sub(it.accepted_ms))
            };
            table.row([
                it.id.to_string(),
                it.workflow.to_string(),
                word(it.status).to_owned(),
                units::utc(it.accepted_ms),
                took,
                it.reason.clone().unwrap_or_default(),
            ]);
        }
        table.text()
    })
}

/// Shows a request.
pub async fn show(context: &Context, args: &ShowArgs) -> Done {
    let client = context.client()?;
    let request = request_id(&client, &args.request).await?;
    let view = client.request(&request).await?;
    let names = names(&client).await?;
    if !args.why {
        return context.printer.answer(&view, |view| text(view, &names));
    }
    let why = why::ask(&client, &view, &names).await?;
    context.printer.answer(&Reasoned { view, why }, |it| {
        format!("{}\n\n{}", text(&it.view, &names), why::text(&it.why, &names))
    })
}

/// Names of nodes by key.
pub async fn names(client: &Client) -> Done<BTreeMap<PublicKey, String>> {
    let nodes = listing::nodes(client).await?;
    Ok(nodes.into_iter().map(|node| (node.info.key, node.info.name)).collect())
}

/// A status in a word.
pub const fn word(status: Status) -> &'static str {
    match status {
        Status::Requested => "requested",
        Status::Active => "active",
        Status::Finalized => "finalized",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

fn text(view: &RequestView, names: &BTreeMap<PublicKey, String>) -> String {
    let name = |key: &PublicKey| names.get(key).cloned().unwrap_or_else(|| key.short());
    let all = |keys: &[PublicKey]| keys.iter().map(name).collect::<Vec<_>>().join(", ");
    let mut head = vec![
        ("request", view.id.to_string()),
        ("status", word(view.status).to_owned()),
        ("workflow", view.body.workflow.to_string()),
        ("device", view.body.device.to_string()),
        ("entry", name(&view.entry)),
        ("input held by", all(&view.input_holders)),
        ("accepted", format!("{} (block {})", units::utc(view.accepted_ms), view.accepted_height)),
        ("deadline", units::utc(view.body.deadline_ms)),
    ];
    let told = [
        ("designated", view.designated.as_ref().map(|it| shall_plan(view, it, &name(&it.node)))),
        ("planned by", view.plan.as_ref().map(|plan| name(&plan.planner))),
        ("waits because", view.waiting.clone()),
        ("waits since", view.queued_ms.map(|at| format!("{} UTC", units::utc(at)))),
        ("plans confirmed", Some(view.attempts.to_string()).filter(|_| view.attempts > 0)),
        ("reason", view.reason.clone()),
        ("failed or overdue", Some(all(&view.barred)).filter(|names| !names.is_empty())),
        ("result held by", Some(all(&view.result_holders)).filter(|names| !names.is_empty())),
    ];
    head.extend(told.into_iter().filter_map(|(what, value)| Some((what, value?))));
    if view.ended_ms > 0 {
        let took = view.ended_ms.saturating_sub(view.accepted_ms);
        head.push(("took", format!("{} on the ledger", units::span(took))));
    }
    let columns = ["task", "app", "level", "planned on", "done by", "agree", "ran", "output"];
    let mut tasks = Table::new(&columns, "");
    for task in &view.tasks {
        let dash = || "-".to_owned();
        tasks.row([
            task.task.to_string(),
            task.app.to_string(),
            task.level.to_string(),
            if task.nodes.is_empty() { dash() } else { all(&task.nodes) },
            task.completed_by.as_ref().map_or_else(dash, name),
            agree(task, &all(&task.differing)),
            task.duration_us.map_or_else(dash, units::ms),
            task.output.map_or_else(dash, |digest| digest.short()),
        ]);
    }
    let mut text = format!("{}\n\n{}", Table::pairs(head), tasks.text());
    if !view.history.is_empty() {
        text += "\n\nWhat happened\n";
        let lines = view.history.iter().map(|event| line(event, view.accepted_ms, names));
        text += &lines.collect::<Vec<_>>().join("\n");
    }
    text
}

/// Who shall plan, and by when.
fn shall_plan(view: &RequestView, it: &Designation, name: &str) -> String {
    format!("{name} (designation {}, by {} UTC)", view.designation, units::utc(it.due_ms))
}

/// How many replicas agree, and who differs.
fn agree(task: &TaskView, differing: &str) -> String {
    let agreed = task.agreed().unwrap_or_else(|| "-".to_owned());
    if differing.is_empty() { agreed } else { format!("{agreed}, not {differing}") }
}

/// An event in a line; times count from `from_ms`.
pub fn line(view: &EventView, from_ms: u64, names: &BTreeMap<PublicKey, String>) -> String {
    let name = |key: &PublicKey| names.get(key).cloned().unwrap_or_else(|| key.short());
    let what = match &view.event {
        Event::RequestAccepted { .. } => "accepted".to_owned(),
        Event::Designated { designation, node, .. } => {
            format!("designation {designation}: {} shall plan", name(node))
        }
        Event::DesignationEnded { designation, node, reason, .. } => {
            format!("designation {designation} of {} ended: {reason}", name(node))
        }
        Event::RequestWaiting { reason, .. } => format!("waits: {reason}"),
        Event::PlanConfirmed { designation, .. } => {
            format!("plan of designation {designation} confirmed")
        }
        Event::TaskDone { task, .. } => format!("task {task} recorded done"),
        Event::PlanAbandoned { designation, reason, .. } => {
            format!("plan of designation {designation} gave out: {reason}")
        }
        Event::OutputsDiffer { task, agreeing, differing, .. } => {
            let differing: Vec<String> = differing.iter().map(name).collect();
            format!("task {task}: {agreeing} nodes agree, {} not", differing.join(", "))
        }
        Event::RequestFinalized { .. } => "finalized".to_owned(),
        Event::RequestFailed { reason, .. } => format!("failed: {reason}"),
        Event::RequestCancelled { .. } => "cancelled".to_owned(),
        Event::RequestRetired { .. } => "left the ledger's state; the history keeps it".to_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    let after = units::span(view.timestamp_ms.saturating_sub(from_ms));
    format!("+{after:<10} block {:<6} {what}", view.height)
}
