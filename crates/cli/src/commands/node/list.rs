//! `node list`: who takes part, as the ledger has it, and how they are, as they say themselves.

use super::{
    reach::{self, Reach},
    roles, state, vote,
};
use crate::{
    commands::listing,
    context::Context,
    failure::Done,
    output::{Table, units},
};
use serde::Serialize;
use trustmesh_api::NodeView;
use trustmesh_types::records::Standing;

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    view: NodeView,
    /// What it said of itself.
    said: Reach,
    /// Blocks that it is behind the furthest node that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_blocks: Option<u64>,
}

/// Lists the nodes; those that were removed only when `all` are wanted.
pub async fn list(context: &Context, all: bool) -> Done {
    let client = context.client()?;
    let mut views = listing::nodes(&client).await?;
    views.retain(|view| all || view.votes || !matches!(view.standing, Standing::Removed));
    let said = reach::ask(&context.genesis()?, &views).await;
    let newest = said.iter().filter_map(Reach::status).map(|it| it.height).max();
    let listed: Vec<Listed> = views
        .into_iter()
        .zip(said)
        .map(|(view, said)| {
            let height = said.status().map(|it| it.height);
            let lag_blocks = newest.zip(height).map(|(newest, it)| newest.saturating_sub(it));
            Listed { view, said, lag_blocks }
        })
        .collect();
    context.printer.answer(&listed, |listed| text(listed))
}

fn text(listed: &[Listed]) -> String {
    let columns = [
        "name", "key", "roles", "state", "votes", "height", "lag", "free", "of", "misses",
        "faults", "http",
    ];
    let mut table = Table::new(&columns, "no nodes");
    for Listed { view, said, lag_blocks } in listed {
        table.row([
            view.info.name.clone(),
            view.info.key.short(),
            roles(view),
            state(view).to_owned(),
            vote(view),
            height(said),
            lag_blocks.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
            units::resources(&view.available),
            units::resources(&view.info.capacity),
            view.misses.to_string(),
            view.faults.to_string(),
            view.info.http_address.clone(),
        ]);
    }
    table.text()
}

fn height(said: &Reach) -> String {
    match said {
        Reach::Yes(it) if it.caught_up => it.height.to_string(),
        Reach::Yes(it) => format!("{} (behind)", it.height),
        Reach::No { .. } => "unreachable".to_owned(),
        Reach::NotAsked => "-".to_owned(),
    }
}
