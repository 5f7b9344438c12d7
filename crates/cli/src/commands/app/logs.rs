//! `app logs`: the ends of an application's logs, node by node.

use super::LogsArgs;
use crate::{
    commands::{listing, parse},
    context::Context,
    failure::{Done, Failure},
};
use serde::Serialize;
use trustmesh_api::NodeView;
use trustmesh_types::AppId;

#[derive(Serialize)]
struct OfNode {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
}

/// Shows an application's log.
pub(super) async fn logs(context: &Context, args: &LogsArgs) -> Done {
    let id: AppId = parse::id("application", &args.app)?;
    let operator = context.operator()?;
    let client = operator.client();
    client.app(&id).await?;
    let workers = listing::all(|query| async move { client.nodes(&query).await });
    let mut workers = workers.await?;
    workers.retain(|node| node.info.roles.worker);
    if let Some(wanted) = &args.node {
        let is = |node: &NodeView| {
            node.info.name == *wanted || node.info.key.to_string().starts_with(wanted.as_str())
        };
        workers.retain(is);
        if workers.is_empty() {
            return Err(Failure::usage(format!("there is no worker {wanted}")));
        }
    }
    let mut logs = Vec::new();
    for node in workers {
        let asked = operator.app_log(&node.info.key, &id, args.lines).await;
        let (log, unreachable) = match asked {
            Ok(log) => (Some(log.text), None),
            Err(error) => (None, Some(error.to_string())),
        };
        logs.push(OfNode { node: node.info.name, log, unreachable });
    }
    context.printer.answer(&logs, |logs| logs.iter().map(text).collect())
}

/// Each line with its node's name before it.
fn text(of: &OfNode) -> String {
    match (&of.log, &of.unreachable) {
        (Some(log), _) => log.lines().map(|line| format!("{}: {line}\n", of.node)).collect(),
        (None, why) => format!("{}: ({})\n", of.node, why.as_deref().unwrap_or_default()),
    }
}
