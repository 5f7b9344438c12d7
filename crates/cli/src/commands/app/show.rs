//! `app list` and `app show`: the ledger's record, and how each node says it is.

use super::{
    deploy::{grants, list as joined},
    word, works,
};
use crate::{
    commands::{listing, parse},
    context::Context,
    failure::Done,
    output::{Table, units},
};
use serde::Serialize;
use trustmesh_api::{AppView, CopyState, CopyView, NodeView};
use trustmesh_client::Client;
use trustmesh_types::{
    AppId, PublicKey,
    records::{AppCondition, Condition},
};

/// Lists applications.
pub(super) async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let apps = listing::all(|query| {
        let client = &client;
        async move { client.apps(&query).await }
    });
    context.printer.answer(&apps.await?, |apps| {
        let columns =
            ["name", "version", "runtime", "state", "running on", "reserves", "artifact", "size"];
        let mut table = Table::new(&columns, "no applications; `trustmesh app deploy` adds one");
        for app in apps {
            let (record, it) = (&app.record, &app.record.manifest);
            table.row([
                it.id.to_string(),
                it.version.clone(),
                it.runtime.to_string(),
                word(record.wanted).to_owned(),
                running(app),
                units::resources(&it.requirements),
                it.artifact.short(),
                units::bytes(it.artifact_bytes),
            ]);
        }
        table.text()
    })
}

/// On how many nodes it runs, and on how many it can't.
fn running(app: &AppView) -> String {
    let count = |wanted| app.conditions.values().filter(|it| it.condition == wanted).count();
    match (count(Condition::Running), count(Condition::Failed)) {
        (running, 0) => running.to_string(),
        (running, failed) => format!("{running} ({failed} failed)"),
    }
}

/// A node, and how it is with the application.
#[derive(Serialize)]
struct OnNode {
    name: String,
    key: PublicKey,
    /// What it said on the ledger.
    said: Option<AppCondition>,
    /// What it says now.
    now: Option<CopyView>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    app: AppView,
    nodes: Vec<OnNode>,
}

/// Shows an application.
pub(super) async fn show(context: &Context, app: &str) -> Done {
    let id: AppId = parse::id("application", app)?;
    let client = context.client()?;
    let app = client.app(&id).await?;
    let mut nodes = listing::nodes(&client).await?;
    nodes.retain(|node| works(node) || app.record.holders.contains(&node.info.key));
    let nodes = listing::answers(nodes.iter().map(|node| on_node(&client, &app, node))).await;
    context.printer.answer(&Shown { app, nodes }, text)
}

async fn on_node(client: &Client, app: &AppView, node: &NodeView) -> OnNode {
    let (key, id) = (node.info.key, &app.record.manifest.id);
    let now = client.app_at(&key, id).await.ok().map(|view| view.here);
    let said = app.conditions.get(&key).cloned();
    OnNode { name: node.info.name.clone(), key, said, now }
}

fn text(shown: &Shown) -> String {
    let (record, it) = (&shown.app.record, &shown.app.record.manifest);
    let holders: Vec<String> = record.holders.iter().map(PublicKey::short).collect();
    let mut text = Table::pairs([
        ("name", it.id.to_string()),
        ("version", it.version.clone()),
        ("runtime", it.runtime.to_string()),
        ("architectures", joined(&it.architectures, "any")),
        ("state", format!("{}, generation {}", word(record.wanted), record.generation)),
        ("reserves", it.requirements.to_string()),
        ("deterministic", it.deterministic.to_string()),
        ("grants", grants(it)),
        ("artifact", it.artifact.to_string()),
        ("size", units::bytes(it.artifact_bytes)),
        ("registry", it.registry.clone().unwrap_or_else(|| "none".to_owned())),
        ("publisher", record.publisher.to_string()),
        ("held by", holders.join(", ")),
        ("changed", format!("at height {}", record.changed)),
    ]);
    let mut table = Table::new(&["node", "on the ledger", "now", "note"], "no workers");
    for node in &shown.nodes {
        let said = node.said.as_ref().map_or("-", |it| match it.condition {
            Condition::Running => "running",
            Condition::Failed => "failed",
        });
        let now = node.now.as_ref().map_or("unreachable", |it| state(it.state));
        let note = node.said.as_ref().and_then(|it| it.note.clone());
        let why = node.now.as_ref().and_then(|it| it.why.clone());
        let note = note.or(why).unwrap_or_default();
        table.row([node.name.clone(), said.to_owned(), now.to_owned(), note]);
    }
    text.push('\n');
    text.push_str(&table.text());
    text
}

const fn state(state: CopyState) -> &'static str {
    match state {
        CopyState::Absent => "absent",
        CopyState::Pulling => "pulling",
        CopyState::Verified => "verified",
        CopyState::Running => "running",
        CopyState::Stopped => "stopped",
        CopyState::Failed => "failed",
    }
}
