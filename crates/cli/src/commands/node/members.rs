//! Who takes part, as operators order it: invite, replace, change, quarantine, remove, pardon.

use super::{
    OneArgs,
    description::{DescriptionArgs, NewNodeArgs},
    find,
};
use crate::{
    commands::{changes, listing},
    context::Context,
    failure::{Done, Failure},
};
use clap::Args;
use std::path::{Path, PathBuf};
use trustmesh_client::Client;
use trustmesh_node::join::JoinFile;
use trustmesh_types::records::{NodeInfo, Standing};

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    #[command(flatten)]
    new: NewNodeArgs,
    /// The join file to write [default: NAME.join.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Who replaces whom.
#[derive(Debug, Args)]
pub struct ReplaceArgs {
    /// Name or public key of the node that goes
    old: String,
    #[command(flatten)]
    invite: InviteArgs,
}

/// What changes.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Its name or public key
    node: String,
    #[command(flatten)]
    description: DescriptionArgs,
}

/// Whom to bar, and why.
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    /// Its name or public key
    node: String,
    /// Why, for people
    #[arg(long)]
    reason: String,
}

fn join_path(out: Option<PathBuf>, name: &str) -> Done<PathBuf> {
    let path = out.unwrap_or_else(|| format!("{name}.join.json").into());
    if path.exists() {
        return Err(Failure::usage(format!("{} exists", path.display()))
            .advise("name another file with --out: join files are never overwritten"));
    }
    Ok(path)
}

/// Admits a node and writes its join file.
pub async fn invite(context: &Context, args: InviteArgs) -> Done {
    let operator = context.operator()?;
    let genesis = context.genesis()?;
    // All that can be found wrong here is, before the ledger changes.
    let path = join_path(args.out, args.new.name())?;
    let node = args.new.node(None)?;
    let included = operator.admit_node(node.clone()).await?;
    let join = JoinFile::new(genesis, node.clone(), members(operator.client()).await?);
    write(&join, &path)?;
    let file = path.display();
    let vote = if node.roles.validator { ", and votes from a later committee on" } else { "" };
    let done = format!(
        "{} is a node{vote}; on its machine, with its key: trustmesh node run --join {file} --key \
         FILE",
        node.name
    );
    changes::answer(context, done, &included)
}

/// Admits a node in place of another.
pub async fn replace(context: &Context, args: ReplaceArgs) -> Done {
    let operator = context.operator()?;
    let genesis = context.genesis()?;
    let old = find(operator.client(), &args.old).await?.info;
    let path = join_path(args.invite.out, args.invite.new.name())?;
    let node = args.invite.new.node(Some(&old))?;
    let included = operator.replace_node(old.key, node.clone()).await?;
    let join = JoinFile::new(genesis, node.clone(), members(operator.client()).await?);
    write(&join, &path)?;
    let when = if node.roles.validator { " when the new one is ready" } else { "" };
    let (old, new, file) = (old.name, node.name, path.display());
    let done = format!(
        "{new} takes the place of {old}{when}; on its machine, with its key: trustmesh node run \
         --join {file} --key FILE"
    );
    changes::answer(context, done, &included)
}

/// The nodes that take part, for a new one to ask first.
async fn members(client: &Client) -> Done<Vec<NodeInfo>> {
    let all = listing::nodes(client).await?;
    let takes_part = |standing: &Standing| !matches!(standing, Standing::Removed);
    Ok(all.into_iter().filter(|node| takes_part(&node.standing)).map(|node| node.info).collect())
}

fn write(join: &JoinFile, path: &Path) -> Done {
    join.store(path).map_err(|error| {
        let name = &join.node.name;
        Failure::failed(error).advise(format!(
            "the node is on the ledger: write its file by `trustmesh node join-file {name}`"
        ))
    })
}

/// Which join file to write anew.
#[derive(Debug, Args)]
pub struct JoinFileArgs {
    /// The node's name or public key
    node: String,
    /// The join file to write [default: NAME.join.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes a node's join file, as the ledger has the node now.
pub async fn join_file(context: &Context, args: JoinFileArgs) -> Done {
    let (client, genesis) = (context.client()?, context.genesis()?);
    let node = find(&client, &args.node).await?.info;
    let path = join_path(args.out, &node.name)?;
    let join = JoinFile::new(genesis, node, members(&client).await?);
    join.store(&path).map_err(Failure::failed)?;
    context.printer.answer(&join, |it| {
        format!("{} is for {} of network {}", path.display(), it.node.name, it.genesis.name)
    })
}

/// Says anew what a node is.
pub async fn change(context: &Context, args: &ChangeArgs) -> Done {
    if args.description.is_empty() {
        return Err(Failure::usage("nothing is to change")
            .advise("say what, as in `trustmesh node change node-5 --roles validator,worker`"));
    }
    let operator = context.operator()?;
    let before = find(operator.client(), &args.node).await?.info;
    let mut info = before.clone();
    args.description.put_over(&mut info);
    let when = match (before.roles.validator, info.roles.validator) {
        (false, true) => "; it votes from a later committee on, once it says that it is ready",
        (true, false) => "; it votes until the next committee begins",
        _ => "",
    };
    let included = operator.change_node(info).await?;
    changes::answer(context, format!("{} is changed{when}", before.name), &included)
}

/// Ends a node's membership.
pub async fn remove(context: &Context, args: &OneArgs) -> Done {
    let operator = context.operator()?;
    let view = find(operator.client(), &args.node).await?;
    let included = operator.remove_node(view.info.key).await?;
    let vote = still_votes(view.votes);
    changes::answer(context, format!("{} is no node any more{vote}", view.info.name), &included)
}

/// Bars a node.
pub async fn quarantine(context: &Context, args: &QuarantineArgs) -> Done {
    let operator = context.operator()?;
    let view = find(operator.client(), &args.node).await?;
    let included = operator.quarantine_node(view.info.key, &args.reason).await?;
    let (name, vote) = (&view.info.name, still_votes(view.votes));
    let done = format!("{name} neither plans nor works until `trustmesh node pardon {name}`{vote}");
    changes::answer(context, done, &included)
}

const fn still_votes(votes: bool) -> &'static str {
    if votes { "; let it run until the next committee begins: it votes until then" } else { "" }
}

/// Lets a quarantined node take part again.
pub async fn pardon(context: &Context, name: &str) -> Done {
    let operator = context.operator()?;
    let node = find(operator.client(), name).await?;
    let included = operator.lift_quarantine(node.info.key).await?;
    let vote = match node.standing {
        Standing::Barred if node.info.roles.validator => ", and votes from a later committee on",
        _ => "",
    };
    let done = format!("{} may be designated and assigned again{vote}", node.info.name);
    changes::answer(context, done, &included)
}
