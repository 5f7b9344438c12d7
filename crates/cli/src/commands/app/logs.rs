//! `app logs`: the ends of an application's logs, node by node.

use super::{LogsArgs, works};
use crate::{
    commands::{listing, node, parse},
    context::Context,
    failure::{Done, Failure},
};
use serde::Serialize;
use trustmesh_api::NodeView;
use trustmesh_client::Operator;
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
    let nodes = match &args.node {
        Some(name) => vec![node::find(client, name).await?],
        None => listing::nodes(client).await?.into_iter().filter(works).collect(),
    };
    let asked = nodes.iter().map(|node| of_node(&operator, node, &id, args.lines));
    let logs = listing::answers(asked).await;
    let silent = logs.iter().all(|of| of.log.is_none());
    context.printer.answer(&logs, |logs| logs.iter().map(text).collect())?;
    if silent {
        let what = format!("no node has shown a log of {id}");
        return Err(Failure::failed(what).advise(format!("ask how they are: `app show {id}`")));
    }
    Ok(())
}

async fn of_node(operator: &Operator, node: &NodeView, app: &AppId, lines: u32) -> OfNode {
    let (log, unreachable) = match operator.app_log(&node.info.key, app, lines).await {
        Ok(log) => (Some(log.text), None),
        Err(error) => (None, Some(error.to_string())),
    };
    OfNode { node: node.info.name.clone(), log, unreachable }
}

/// Each line with its node's name before it.
fn text(of: &OfNode) -> String {
    match (&of.log, &of.unreachable) {
        (Some(log), _) => log.lines().map(|line| format!("{}: {line}\n", of.node)).collect(),
        (None, why) => format!("{}: ({})\n", of.node, why.as_deref().unwrap_or_default()),
    }
}
