//! `network upgrade`: lets the rules of the next version of the protocol hold from a height on.
//!
//! A node whose program does not know a version stops before its first block. So the nodes are
//! asked first, and the order goes to the ledger only when enough validators know the version
//! to go on.

use crate::{
    commands::{
        changes, listing,
        node::reach::{self, Reach},
    },
    context::Context,
    failure::{Done, Failure},
};
use clap::Args;
use std::str::FromStr;
use trustmesh_api::NodeView;
use trustmesh_types::{committee::quorum, protocol::ACTIVATION_EPOCHS_MIN};

/// Heights that pass while the order is on its way, at most: as many as it is valid for.
const ON_THE_WAY: u64 = 64;

/// Which version, from when on.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The version: the one after that which holds
    #[arg(long, value_name = "VERSION")]
    to: u32,
    /// The first block of it: a height, or +N for so many blocks from now [default: as soon as
    /// the ledger allows]
    #[arg(long, value_name = "HEIGHT")]
    at: Option<When>,
    /// Even if nodes are unreachable or don't know the version: they stop at that height
    #[arg(long)]
    force: bool,
}

/// A height, by itself or from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(u64),
    From(u64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            text.parse().map_err(|_| format!("{text:?} is no height: write 5000, or +200"))
        };
        match text.strip_prefix('+') {
            Some(text) => number(text).map(Self::From),
            None => number(text).map(Self::At),
        }
    }
}

/// Orders the change.
pub async fn run(context: &Context, args: &UpgradeArgs) -> Done {
    let operator = context.operator()?;
    let client = operator.client();
    let (status, parameters) = (client.status().await?, client.parameters().await?.parameters);
    let soonest = parameters.epoch_blocks.saturating_mul(ACTIVATION_EPOCHS_MIN);
    let height = match args.at {
        Some(When::At(height)) => height,
        Some(When::From(blocks)) => status.height.saturating_add(blocks),
        None => status.height.saturating_add(soonest).saturating_add(ON_THE_WAY),
    };
    let views = listing::nodes(client).await?;
    let said = reach::ask(&context.genesis()?, &views).await;
    let unready = unready(&views, &said, args.to);
    if !unready.is_empty() && !args.force {
        return Err(stopping(&views, &said, args.to, &unready));
    }
    let included = operator.activate_protocol(args.to, height).await?;
    let done = format!("version {} of the protocol holds from block {height} on", args.to);
    changes::answer(context, done, &included)
}

/// Whether a node's program is known to know a version.
fn knows(said: &Reach, version: u32) -> bool {
    said.status().is_some_and(|it| it.protocol_known >= version)
}

/// Nodes of which that is not known.
fn unready(views: &[NodeView], said: &[Reach], version: u32) -> Vec<String> {
    let all = views.iter().zip(said).filter(|(_, said)| **said != Reach::NotAsked);
    all.filter(|(_, said)| !knows(said, version))
        .map(|(view, said)| match said.status() {
            Some(it) => format!("{} (version {})", view.info.name, it.version),
            None => format!("{} (unreachable)", view.info.name),
        })
        .collect()
}

fn stopping(views: &[NodeView], said: &[Reach], version: u32, unready: &[String]) -> Failure {
    let voting: Vec<_> = views.iter().zip(said).filter(|(view, _)| view.votes).collect();
    let (ready, needed) =
        (voting.iter().filter(|(_, said)| knows(said, version)).count(), quorum(voting.len()));
    let outcome = if ready < needed {
        format!(
            "{ready} of {} validators know it, {needed} must: the network would stop",
            voting.len()
        )
    } else {
        "they would stop".to_owned()
    };
    Failure::failed(format!(
        "not all nodes are known to know version {version}: {}; {outcome}",
        unready.join(", ")
    ))
    .advise("give them the newer program first; --force goes on without them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_height_is_given_or_counted_from_now() {
        assert_eq!("5000".parse(), Ok(When::At(5_000)));
        assert_eq!("+200".parse(), Ok(When::From(200)));
        assert!("soon".parse::<When>().unwrap_err().contains("soon"));
        assert!("+".parse::<When>().is_err());
    }
}
