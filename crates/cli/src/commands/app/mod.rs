//! `trustmesh app`: applications on the ledger, and how each node is with them.
//!
//! - `source`: what is to be deployed: `app.yaml`, or an artifact and flags;
//! - `deploy`: checked, uploaded, put on the ledger, waited for;
//! - `registry`: images taken from registries, artifacts put into them;
//! - `show`: the ledger's record, and what each node says;
//! - `logs`: the ends of their logs.

mod deploy;
mod logs;
mod registry;
mod show;
mod source;

pub use self::deploy::{deploy_file, upload_file};

use super::{
    changes,
    parse::{self, RuntimeArg},
    readiness,
};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Progress,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use trustmesh_api::{NodeView, app_file};
use trustmesh_types::{
    AppId,
    records::{AppState, Standing},
};

/// Applications.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh app init my-app
  trustmesh app validate app.yaml
  trustmesh app deploy app.yaml
  trustmesh app show my-app")]
pub enum AppCommand {
    /// Write an app.yaml to begin with
    #[command(after_help = "Example:
  trustmesh app init thermometer --runtime container")]
    Init(InitArgs),
    /// Check an application before it is deployed; needs no network
    #[command(after_help = "Example:
  trustmesh app validate app.yaml")]
    Validate(SourceArgs),
    /// Put an application on the ledger: nodes check, fetch and start it
    #[command(after_help = "Example:
  trustmesh app deploy app.yaml
  trustmesh app deploy noop.wasm --name noop --app-version 1.2 --cpu 200 --memory 64")]
    Deploy(DeployArgs),
    /// Let a stopped application run tasks again
    #[command(after_help = "Example:
  trustmesh app start thermometer")]
    Start(WaitArgs),
    /// Keep an application from running tasks until it is started again
    #[command(after_help = "Example:
  trustmesh app stop thermometer")]
    Stop(AppArgs),
    /// Begin an application anew on every node
    #[command(after_help = "Example:
  trustmesh app restart thermometer --no-wait")]
    Restart(WaitArgs),
    /// Take an application off the nodes; its name may be deployed anew
    #[command(after_help = "Example:
  trustmesh app remove thermometer")]
    Remove(AppArgs),
    /// List applications
    #[command(after_help = "Example:
  trustmesh app list -o json")]
    List,
    /// Show an application, and how each node is with it
    #[command(after_help = "Example:
  trustmesh app show thermometer")]
    Show(AppArgs),
    /// Show the end of an application's log on the nodes
    #[command(after_help = "Example:
  trustmesh app logs noop --node node-1 --lines 20")]
    Logs(LogsArgs),
}

/// Which application.
#[derive(Debug, Args)]
pub struct AppArgs {
    /// The application's name
    app: String,
}

/// Which application, and whether to wait.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The application's name
    app: String,
    /// Don't wait (up to a minute) until the nodes run it
    #[arg(long)]
    no_wait: bool,
}

/// What to begin with.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The application's name
    name: String,
    /// How it is run
    #[arg(long, default_value = "wasm")]
    runtime: RuntimeArg,
    /// Where to write
    #[arg(long, default_value = "app.yaml", value_name = "FILE")]
    file: PathBuf,
}

/// What to deploy, or check.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// app.yaml; or a module, an OCI layout or an archive of `docker save`, with flags for the
    /// rest
    file: PathBuf,
    /// The application's name [default: the file's, without its extension]
    #[arg(long)]
    name: Option<String>,
    /// A version for people
    #[arg(long)]
    app_version: Option<String>,
    /// Thousandths of a core that a run reserves; over a task's timeout they make its CPU time
    /// [default: 100]
    #[arg(long, value_name = "MILLIS")]
    cpu: Option<u64>,
    /// MiB of memory that a run reserves, and may use [default: 32]
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Declare that equal inputs may give different outputs
    #[arg(long)]
    nondeterministic: bool,
}

impl SourceArgs {
    /// An application's file, which says all.
    fn of(file: &std::path::Path) -> Self {
        Self {
            file: file.to_owned(),
            name: None,
            app_version: None,
            cpu: None,
            memory: None,
            nondeterministic: false,
        }
    }
}

/// What to deploy.
#[derive(Debug, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Don't wait (up to a minute) until the nodes run it
    #[arg(long)]
    no_wait: bool,
}

/// Whose log.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The application's name
    app: String,
    /// Of this node alone: a name, or a key
    #[arg(long)]
    node: Option<String>,
    /// Lines of each node
    #[arg(long, default_value_t = 100)]
    lines: u32,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: AppCommand) -> Done {
    match command {
        AppCommand::Init(args) => init(context, &args),
        AppCommand::Validate(args) => deploy::validate(context, &args).await,
        AppCommand::Deploy(args) => deploy::deploy(context, &args).await,
        AppCommand::Start(args) => begin(context, &args, AppState::Running).await,
        AppCommand::Stop(args) => set_state(context, &args.app, AppState::Stopped).await,
        AppCommand::Restart(args) => restart(context, &args).await,
        AppCommand::Remove(args) => set_state(context, &args.app, AppState::Removed).await,
        AppCommand::List => show::list(context).await,
        AppCommand::Show(args) => show::show(context, &args.app).await,
        AppCommand::Logs(args) => logs::logs(context, &args).await,
    }
}

fn init(context: &Context, args: &InitArgs) -> Done {
    let name: AppId = parse::id("application name", &args.name)?;
    let text = app_file::template(&name, args.runtime.into());
    let shown = args.file.display().to_string();
    let written = std::fs::File::create_new(&args.file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|e| {
        let failure = Failure::usage(format!("{shown} can't be written: {e}"));
        failure.advise("name another file with --file")
    })?;
    context.printer.answer(&serde_json::json!({ "written": shown }), |_| {
        format!("{shown} is written; edit it, then `trustmesh app validate {shown}`")
    })
}

async fn set_state(context: &Context, app: &str, wanted: AppState) -> Done {
    let id: AppId = parse::id("application", app)?;
    let included = context.operator()?.set_app_state(id.clone(), wanted).await?;
    changes::answer(context, format!("application {id} shall be {}", word(wanted)), &included)
}

async fn begin(context: &Context, args: &WaitArgs, wanted: AppState) -> Done {
    let id: AppId = parse::id("application", &args.app)?;
    let operator = context.operator()?;
    let included = operator.set_app_state(id.clone(), wanted).await?;
    let begun = wait(&operator, &id, args.no_wait).await;
    changes::answer(context, format!("application {id} shall be {}", word(wanted)), &included)?;
    begun
}

async fn restart(context: &Context, args: &WaitArgs) -> Done {
    let id: AppId = parse::id("application", &args.app)?;
    let operator = context.operator()?;
    let included = operator.restart_app(id.clone()).await?;
    let begun = wait(&operator, &id, args.no_wait).await;
    changes::answer(context, format!("application {id} begins anew"), &included)?;
    begun
}

/// Waits until the nodes have said how they are with an application.
async fn wait(operator: &trustmesh_client::Operator, id: &AppId, no_wait: bool) -> Done {
    if no_wait {
        return Ok(());
    }
    let progress = Progress::spinner("the nodes make it ready");
    readiness::begun(operator.client(), id, &progress).await
}

/// Whether a node is there to run applications.
const fn works(node: &NodeView) -> bool {
    node.info.roles.worker && !matches!(node.standing, Standing::Removed)
}

const fn word(state: AppState) -> &'static str {
    match state {
        AppState::Deployed => "deployed",
        AppState::Running => "running",
        AppState::Stopped => "stopped",
        AppState::Removed => "removed",
    }
}
