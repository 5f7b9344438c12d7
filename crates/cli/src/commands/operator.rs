//! `trustmesh operator`: who may change the network, and publish what runs on it.

use super::{changes, listing, parse};
use crate::{context::Context, failure::Done, output::Table};
use clap::Subcommand;
use trustmesh_types::records::OperatorInfo;

/// Operators.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh key generate second.key
  trustmesh operator admit second second.key.pub --publisher")]
pub enum OperatorCommand {
    /// Let a key change the network, or say anew what it may
    #[command(after_help = "Example:
  trustmesh operator admit second second.key.pub --publisher")]
    Admit {
        /// A name for people
        name: String,
        /// The operator's public key, or the .pub file that holds it
        #[arg(value_name = "KEY")]
        operator: String,
        /// Whether it may deploy applications, too
        #[arg(long)]
        publisher: bool,
    },
    /// End an operator's membership; what it published is stopped
    #[command(after_help = "Example:
  trustmesh operator revoke second.key.pub")]
    Revoke {
        /// The operator's public key, or the .pub file that holds it
        #[arg(value_name = "KEY")]
        operator: String,
    },
    /// List operators
    #[command(after_help = "Example:
  trustmesh operator list")]
    List,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: OperatorCommand) -> Done {
    match command {
        OperatorCommand::Admit { name, operator, publisher } => {
            let key = parse::public_key(&operator)?;
            let info = OperatorInfo { key, name: name.clone(), publisher };
            let included = context.operator()?.admit_operator(info).await?;
            let may = if publisher { "an operator that may publish" } else { "an operator" };
            changes::answer(context, format!("{name} ({}) is {may}", key.short()), &included)
        }
        OperatorCommand::Revoke { operator } => {
            let key = parse::public_key(&operator)?;
            let included = context.operator()?.revoke_operator(key).await?;
            changes::answer(context, format!("{} is no operator now", key.short()), &included)
        }
        OperatorCommand::List => list(context).await,
    }
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let operators = listing::all(|query| {
        let client = &client;
        async move { client.operators(&query).await }
    });
    context.printer.answer(&operators.await?, |operators| {
        let mut table = Table::new(&["name", "key", "publishes", "state"], "no operators");
        for it in operators {
            table.row([
                it.info.name.clone(),
                it.info.key.to_string(),
                if it.info.publisher { "yes" } else { "no" }.to_owned(),
                if it.revoked { "revoked" } else { "member" }.to_owned(),
            ]);
        }
        table.text()
    })
}
