//! `trustmesh completions`: a script for the shell's completion.

use crate::arguments::Cli;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  trustmesh completions bash > ~/.local/share/bash-completion/completions/trustmesh")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "trustmesh", &mut std::io::stdout());
}
