//! The command line's root: the nouns, and the flags that all of them take.

use crate::{
    commands::{
        app::AppCommand, bench::BenchCommand, completions::CompletionsArgs, debug::DebugCommand,
        demo::DemoArgs, device::DeviceCommand, key::KeyCommand, ledger::LedgerCommand,
        network::NetworkCommand, node::NodeCommand, operator::OperatorCommand,
        policy::PolicyCommand, request::RequestCommand, sim::SimArgs, workflow::WorkflowCommand,
    },
    context::ContextArgs,
};
use clap::{Parser, Subcommand};

/// A trusted-computing mesh for the edge: nodes that do not trust each other run a device's
/// workflow and agree on a ledger about all of it.
#[derive(Debug, Parser)]
#[command(
    name = "trustmesh",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Examples:
  trustmesh demo                                  four nodes, the cold chain, results
  trustmesh network init mesh && trustmesh network up mesh
  cd mesh && trustmesh node list

Where commands go: flags, then TRUSTMESH_* variables, then the nearest trustmesh.toml.
Exit codes: 0 done, 1 it did not work out, 2 the command or a file it names is wrong."
)]
pub struct Cli {
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a local mesh through the cold chain: one command
    Demo(DemoArgs),
    /// A mesh of processes on this machine
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Run a node; see who takes part
    #[command(subcommand)]
    Node(NodeCommand),
    /// Key files
    #[command(subcommand)]
    Key(KeyCommand),
    /// Applications
    #[command(subcommand)]
    App(AppCommand),
    /// Workflows
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Network-defined rules that every plan must keep to
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Operators
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Requests and their results
    #[command(subcommand)]
    Request(RequestCommand),
    /// The ledger
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Measure a local mesh
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Play whole meshes in virtual time, drawn from seeds, and judge them
    Sim(SimArgs),
    /// What helps to find out what is wrong
    #[command(subcommand)]
    Debug(DebugCommand),
    /// Completions for a shell
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_parses_beside_the_flags_of_all() {
        Cli::command().debug_assert();
        for line in [
            "demo --requests 3 -o json",
            "network init mesh --nodes 7",
            "node run --config node.toml",
            "key generate a.key",
            "node doctor --config node.toml -o json",
            "debug bundle --config node.toml --out bundle.tar.gz",
            "ledger export --out chain.tmchain --from 1 --to 9",
            "ledger import chain.tmchain --genesis genesis.json",
            "ledger import chain.tmchain --config node.toml -o json",
            "app init my-app --runtime container",
            "app validate app.yaml",
            "app deploy a.wasm --key operator.key",
            "app restart a --no-wait",
            "app logs a --node node-1 --lines 5",
            "operator admit second second.key.pub --publisher",
            "workflow create w.yaml --name w",
            "policy set zone.yaml --key operator.key",
            "policy test zone.yaml --plan plan.yaml -o json",
            "network init mesh --label zone=a,b --label vendor=x",
            "device register truck-1 device.key.pub --key operator.key",
            "device revoke device.key.pub",
            "request submit w - --key device.key --wait",
            "request result last --wait 5s",
            "ledger verify --endpoint node-1",
            "ledger faults --node node-1",
            "ledger check-evidence fault.json --genesis genesis.json",
            "network parameters set fault_limit=5 generation_timeout=5s",
            "node pardon node-1",
            "node run --join n.join.json --data n --key n.key --listen-http 0.0.0.0:80",
            "node list --all -o json",
            "node invite --name n --node-key n.pub --p2p a:1 --http a:2 --roles validator,worker",
            "node invite --name n --generate-key-file n.key --p2p a:1 --http a:2 --out n.json",
            "node join-file n",
            "node replace node-2 --name n --node-key n.pub --p2p a:1 --http a:2",
            "node change n --cpu 100 --memory 64 --label zone=a",
            "node quarantine n --reason noisy",
            "node remove n",
            "network upgrade --to 3 --at +200",
            "bench latency --simulated",
            "sim --nodes 16 --byzantine 5 --seeds 1000 --scenario all --resume campaign.json",
            "sim --plan least.json --first-seed 17 --shrink",
            "completions bash",
        ] {
            let words = ["trustmesh"].into_iter().chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}
