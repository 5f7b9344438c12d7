//! `ledger faults`, `ledger fault` and `ledger check-evidence`: who was charged with what, when,
//! and whether that is true.

use super::{
    evidence::{self, Bundle, Verdict},
    finality,
};
use crate::{
    commands::{node, request::names},
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};
use trustmesh_api::{FaultQuery, FaultView};
use trustmesh_client::Client;
use trustmesh_types::{PublicKey, faults::FaultEvidence};

/// Which faults.
#[derive(Debug, Args)]
pub struct FaultsArgs {
    /// Only those of this node: its name or public key
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

/// Which fault.
#[derive(Debug, Args)]
pub struct FaultArgs {
    /// The node: its name or public key
    node: String,
    /// The fault's number among the node's, as `ledger faults` lists it
    number: u32,
    /// Write its evidence here, for `ledger check-evidence`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Which evidence.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file that `ledger fault --save` wrote
    file: PathBuf,
}

/// What the evidence of a fault is.
pub const fn kind(evidence: &FaultEvidence) -> &'static str {
    match evidence {
        FaultEvidence::Transaction(_) => "a transaction",
        FaultEvidence::Completions(_) => "completions",
        FaultEvidence::Votes(_) => "votes",
    }
}

/// Faults in a table.
pub fn table(faults: &[FaultView], names: &BTreeMap<PublicKey, String>) -> String {
    let columns = ["node", "no", "time (UTC)", "block", "fault", "shown by", "counts", "what"];
    let mut table = Table::new(&columns, "no faults");
    for FaultView { record, counts } in faults {
        table.row([
            names.get(&record.node).cloned().unwrap_or_else(|| record.node.short()),
            record.number.to_string(),
            units::utc(record.at_ms),
            record.height.to_string(),
            record.rejection.code.to_string(),
            kind(&record.evidence).to_owned(),
            counting(record.pardoned, *counts).to_owned(),
            record.rejection.reason.clone(),
        ]);
    }
    table.text()
}

const fn counting(pardoned: bool, counts: bool) -> &'static str {
    match (pardoned, counts) {
        (true, _) => "pardoned",
        (false, true) => "yes",
        (false, false) => "expired",
    }
}

/// Lists faults, newest first.
pub async fn list(context: &Context, args: &FaultsArgs) -> Done {
    let client = context.client()?;
    let node = match &args.node {
        Some(name) => Some(node::find(&client, name).await?.info.key),
        None => None,
    };
    let faults = of(&client, node, args.limit as usize).await?;
    let names = names(&client).await?;
    context.printer.answer(&faults, |faults| {
        let mut text = table(faults, &names);
        if let Some(FaultView { record, .. }) = faults.first() {
            let name = names.get(&record.node).cloned().unwrap_or_else(|| record.node.to_string());
            text += &format!(
                "\n\nTo check one: trustmesh ledger fault {name} {} --save FILE",
                record.number
            );
        }
        text
    })
}

/// A node's or all nodes' faults, newest first.
pub async fn of(client: &Client, node: Option<PublicKey>, limit: usize) -> Done<Vec<FaultView>> {
    let mut faults = Vec::new();
    let mut after = None;
    loop {
        let left = u32::try_from(limit - faults.len()).ok();
        let query = FaultQuery { limit: left, after, node, number: None };
        let page = client.faults(&query).await?;
        faults.extend(page.items.into_iter().take(limit - faults.len()));
        after = page.next;
        if after.is_none() || faults.len() >= limit {
            return Ok(faults);
        }
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    view: FaultView,
    /// Where its evidence was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<PathBuf>,
}

/// Shows a fault, and writes its evidence if asked to.
pub async fn show(context: &Context, args: &FaultArgs) -> Done {
    let client = context.client()?;
    let node = node::find(&client, &args.node).await?.info;
    let view = find(&client, &node.key, args.number).await?;
    let view = view.ok_or_else(|| {
        Failure::failed(format!("{} has no fault of number {}", node.name, args.number))
            .advise(format!("see `trustmesh ledger faults --node {}`", node.name))
    })?;
    if let Some(path) = &args.save {
        evidence::collect(&client, &view.record).await?.store(path)?;
    }
    let shown = Shown { view, saved: args.save.clone() };
    context.printer.answer(&shown, |it| text(it, &node.name))
}

async fn find(client: &Client, node: &PublicKey, number: u32) -> Done<Option<FaultView>> {
    let mut after = None;
    loop {
        let query = FaultQuery { limit: Some(1), after, node: Some(*node), number: Some(number) };
        let page = client.faults(&query).await?;
        after = page.next;
        match page.items.into_iter().next() {
            None if after.is_some() => {}
            found => return Ok(found),
        }
    }
}

fn text(shown: &Shown, name: &str) -> String {
    let (record, counts) = (&shown.view.record, shown.view.counts);
    let mut lines = vec![
        ("node", format!("{name} ({})", record.node)),
        ("number", record.number.to_string()),
        ("fault", record.rejection.code.to_string()),
        ("what", record.rejection.reason.clone()),
        ("when", format!("{} UTC (block {})", units::utc(record.at_ms), record.height)),
        ("counts", counting(record.pardoned, counts).to_owned()),
        ("until", format!("{} UTC", units::utc(record.until_ms))),
        ("shown by", kind(&record.evidence).to_owned()),
    ];
    match &record.evidence {
        FaultEvidence::Transaction(id) => lines.push(("transaction", id.to_string())),
        FaultEvidence::Completions(all) => lines.extend(all.iter().map(|signed| {
            let it = &signed.completion;
            let what = format!("node {} signed output {}", it.node.short(), it.output.short());
            ("completion", format!("{what} of task {}", it.task))
        })),
        FaultEvidence::Votes(votes) => {
            lines.push(("votes", format!("two of view {} that contradict each other", votes.view)));
        }
    }
    let check = match &shown.saved {
        Some(path) => format!("trustmesh ledger check-evidence {}", path.display()),
        None => format!("trustmesh ledger fault {name} {} --save FILE", record.number),
    };
    lines.push(("to check it", check));
    Table::pairs(lines)
}

/// Checks evidence offline.
pub fn check(context: &Context, args: &CheckArgs) -> Done {
    let genesis = context.genesis()?;
    let bundle = Bundle::load(&args.file)?;
    let verdict = evidence::check(&bundle, &genesis, finality::entropy()?);
    context.printer.answer(&verdict, verdict_text)?;
    match verdict.broken {
        None => Ok(()),
        Some(what) => Err(Failure::failed(format!("the evidence does not hold: {what}"))
            .advise("charge nobody by it; take it from another node with --endpoint")),
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    let mut lines = verdict.proved.clone();
    lines.push(if verdict.holds {
        format!("So node {} committed the fault {}.", verdict.node, verdict.code)
    } else {
        "The rest DOES NOT HOLD.".to_owned()
    });
    lines.join("\n")
}
