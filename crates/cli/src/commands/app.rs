//! `trustmesh app`: applications on the ledger.

use super::{changes, listing, parse, readiness};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table, units},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use trustmesh_client::AppSpec;
use trustmesh_executor::WasmRunner;
use trustmesh_types::{
    AppId, PublicKey,
    limits::MODULE_BYTES_MAX,
    records::{AppState, Runtime},
    resources::{MIB, Resources},
};

/// Applications.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh app deploy noop.wasm --name noop --memory 64")]
pub enum AppCommand {
    /// Put a wasm module on the ledger, ready to run
    #[command(after_help = "Example:
  trustmesh app deploy noop.wasm --name noop --app-version 1.2 --cpu 200 --memory 64")]
    Deploy(DeployArgs),
    /// Let a stopped application run tasks again
    Start(AppArgs),
    /// Keep an application from running tasks until it is started again
    Stop(AppArgs),
    /// Take an application off the nodes; its name may be deployed anew
    Remove(AppArgs),
    /// List applications
    List,
    /// Show an application
    Show(AppArgs),
}

/// Which application.
#[derive(Debug, Args)]
pub struct AppArgs {
    /// The application's name
    app: String,
}

/// What to deploy.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The module, a WASI command
    file: PathBuf,
    /// The application's name [default: the file's, without its extension]
    #[arg(long)]
    name: Option<String>,
    /// A version for people
    #[arg(long, default_value = "1")]
    app_version: String,
    /// Thousandths of a core that a run reserves; over a task's timeout they make its CPU time
    #[arg(long, default_value_t = 100, value_name = "MILLIS")]
    cpu: u64,
    /// MiB of memory that a run reserves, and may use
    #[arg(long, default_value_t = 32, value_name = "MIB")]
    memory: u64,
    /// Declare that equal inputs may give different outputs
    #[arg(long)]
    nondeterministic: bool,
    /// Don't wait (up to a minute) until the nodes have compiled the module
    #[arg(long)]
    no_wait: bool,
}

impl DeployArgs {
    /// That nodes will be able to run the module; compiles it, which takes a moment.
    fn check(&self, module: &[u8]) -> Done {
        WasmRunner::validate(module).map_err(|error| {
            let said = format!("{}: {error}", self.file.display());
            if !error.blames_application() {
                return Failure::failed(said);
            }
            Failure::usage(said).advise("see \"Your own\" in apps/README.md")
        })
    }

    fn spec(&self) -> Done<AppSpec> {
        let stem = self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = self.name.clone().or(stem).unwrap_or_default();
        Ok(AppSpec {
            id: parse::id::<AppId>("application name", &name)?,
            version: self.app_version.clone(),
            runtime: Runtime::Wasm,
            requirements: Resources {
                cpu_millis: self.cpu,
                memory_bytes: self.memory.saturating_mul(MIB),
                disk_bytes: 0,
            },
            deterministic: !self.nondeterministic,
        })
    }
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: AppCommand) -> Done {
    match command {
        AppCommand::Deploy(args) => deploy(context, &args).await,
        AppCommand::Start(args) => set_state(context, &args, AppState::Running).await,
        AppCommand::Stop(args) => set_state(context, &args, AppState::Stopped).await,
        AppCommand::Remove(args) => set_state(context, &args, AppState::Removed).await,
        AppCommand::List => list(context).await,
        AppCommand::Show(args) => show(context, &args).await,
    }
}

async fn deploy(context: &Context, args: &DeployArgs) -> Done {
    let module = parse::read_at_most(&args.file, MODULE_BYTES_MAX)?;
    let spec = args.spec()?;
    args.check(&module)?;
    let operator = context.operator()?;
    let (id, bytes) = (spec.id.clone(), module.len() as u64);
    let included = operator.deploy_app(spec, module).await?;
    if !args.no_wait {
        let progress = Progress::spinner("the nodes compile it");
        readiness::wait(operator.client(), std::slice::from_ref(&id), &progress).await;
    }
    let done = format!("application {id} is deployed: {}", units::bytes(bytes));
    changes::answer(context, done, &included)
}

async fn set_state(context: &Context, args: &AppArgs, wanted: AppState) -> Done {
    let id: AppId = parse::id("application", &args.app)?;
    let included = context.operator()?.set_app_state(id.clone(), wanted).await?;
    changes::answer(context, format!("application {id} shall be {}", word(wanted)), &included)
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let apps = listing::all(|query| {
        let client = &client;
        async move { client.apps(&query).await }
    });
    context.printer.answer(&apps.await?, |apps| {
        let columns = ["name", "version", "state", "reserves", "artifact", "size", "holders"];
        let mut table = Table::new(&columns, "no applications; `trustmesh app deploy` adds one");
        for app in apps {
            let (app, it) = (&app.record, &app.record.manifest);
            table.row([
                it.id.to_string(),
                it.version.clone(),
                word(app.wanted).to_owned(),
                units::resources(&it.requirements),
                it.artifact.short(),
                units::bytes(it.artifact_bytes),
                app.holders.len().to_string(),
            ]);
        }
        table.text()
    })
}

async fn show(context: &Context, args: &AppArgs) -> Done {
    let id: AppId = parse::id("application", &args.app)?;
    let app = context.client()?.app(&id).await?;
    context.printer.answer(&app, |view| {
        let (app, it) = (&view.record, &view.record.manifest);
        let holders: Vec<String> = app.holders.iter().map(PublicKey::short).collect();
        Table::pairs([
            ("name", it.id.to_string()),
            ("version", it.version.clone()),
            ("state", word(app.wanted).to_owned()),
            ("reserves", it.requirements.to_string()),
            ("deterministic", it.deterministic.to_string()),
            ("artifact", it.artifact.to_string()),
            ("size", units::bytes(it.artifact_bytes)),
            ("publisher", app.publisher.to_string()),
            ("held by", holders.join(", ")),
            ("compiled", format!("{} (on the node that answered)", view.ready_here)),
            ("changed", format!("at height {}", app.changed)),
        ])
    })
}

const fn word(state: AppState) -> &'static str {
    match state {
        AppState::Deployed => "deployed",
        AppState::Running => "running",
        AppState::Stopped => "stopped",
        AppState::Removed => "removed",
    }
}
