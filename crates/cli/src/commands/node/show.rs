//! `node show`: all about one node.

use super::{roles, state, vote};
use crate::{
    commands::ledger::faults,
    context::Context,
    failure::Done,
    output::{Table, units},
};
use serde::Serialize;
use std::collections::BTreeMap;
use trustmesh_api::{FaultView, NodeView};
use trustmesh_types::records::Standing;

/// Faults that are shown, the newest.
const FAULTS_SHOWN_MAX: usize = 20;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    view: NodeView,
    /// Its faults, newest first, expired and pardoned ones among them.
    fault_records: Vec<FaultView>,
}

/// Shows a node.
pub async fn show(context: &Context, name: &str) -> Done {
    let client = context.client()?;
    let view = super::find(&client, name).await?;
    let fault_records = faults::of(&client, Some(view.info.key), FAULTS_SHOWN_MAX).await?;
    context.printer.answer(&Shown { view, fault_records }, text)
}

fn text(shown: &Shown) -> String {
    let (node, it) = (&shown.view, &shown.view.info);
    let labels: Vec<String> = it.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let seen = node.snapshot.as_ref().map_or_else(
        || "none that counts".to_owned(),
        |it| format!("{} used by others than its tasks", it.foreign),
    );
    let quarantine = if matches!(node.standing, Standing::Barred) {
        format!("by an operator; lift it with `trustmesh node pardon {}`", it.name)
    } else if node.quarantined {
        format!("since its faults; lift it with `trustmesh node pardon {}`", it.name)
    } else {
        "no".to_owned()
    };
    let head = Table::pairs([
        ("name", it.name.clone()),
        ("key", it.key.to_string()),
        ("roles", roles(node)),
        ("state", state(node).to_owned()),
        ("votes", vote(node)),
        ("quarantined", quarantine),
        ("faults", format!("{} that count", node.faults)),
        ("misses", node.misses.to_string()),
        ("capacity", it.capacity.to_string()),
        ("last snapshot", seen),
        ("reserved", node.reserved.to_string()),
        ("free", node.available.to_string()),
        ("labels", labels.join(", ")),
        ("architecture", it.arch.clone()),
        ("http", it.http_address.clone()),
        ("node to node", it.p2p_address.clone()),
    ]);
    if shown.fault_records.is_empty() {
        return head;
    }
    let names = BTreeMap::from([(it.key, it.name.clone())]);
    let last = shown.fault_records.iter().map(|fault| fault.record.at_ms).max().unwrap_or(0);
    let faults = faults::table(&shown.fault_records, &names);
    format!("{head}\n\nFaults, the last one at {} UTC\n{faults}", units::utc(last))
}
