//! Dispatch.

use super::{
    app, bench, completions, debug, demo, device, key, ledger, network, node, operator, policy,
    request, sim, workflow,
};
use crate::{
    arguments::{Cli, Command},
    context::Context,
    failure::{Done, Failure},
};

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Done {
    let context = &match &cli.command {
        // These need no surroundings, and must work whatever lies around.
        Command::Completions(args) => {
            completions::run(args);
            return Ok(());
        }
        Command::Node(node::NodeCommand::Run(args)) => {
            return node::run_daemon(args, cli.context.key.as_deref());
        }
        _ => Context::new(&cli.context)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("can't start: {e}")))?;
    runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(context, args).await,
            Command::Network(command) => network::run(context, command).await,
            Command::Node(command) => node::run(context, command).await,
            Command::Key(command) => key::run(context, command),
            Command::App(command) => app::run(context, command).await,
            Command::Workflow(command) => workflow::run(context, command).await,
            Command::Policy(command) => policy::run(context, command).await,
            Command::Operator(command) => operator::run(context, command).await,
            Command::Device(command) => device::run(context, command).await,
            Command::Request(command) => request::run(context, command).await,
            Command::Ledger(command) => ledger::run(context, command).await,
            Command::Bench(command) => bench::run(context, command).await,
            Command::Sim(args) => sim::run(context, args).await,
            Command::Debug(command) => debug::run(context, command).await,
            Command::Completions(_) => Ok(()),
        }
    })
}
