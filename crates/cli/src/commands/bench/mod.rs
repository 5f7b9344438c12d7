//! `trustmesh bench`: figures of a real local mesh, with the machine named.
//!
//! Each run starts its own mesh of processes in a temporary folder, measures, and stops it.
//! A benchmark, not a test: it reports what it finds beside the target, and its exit code
//! says only whether every request and transaction came through.

mod apps;
mod arguments;
mod byzantine;
mod crash;
mod flood;
mod flooder;
mod footprint;
mod idle;
mod latency;
mod load;
mod machine;
mod notes;
mod report;
mod scale;
mod simulated;
mod soak;
mod throughput;
mod usage;

pub use arguments::BenchCommand;

use crate::{context::Context, failure::Done};

/// Runs a command of this noun.
pub async fn run(context: &Context, command: BenchCommand) -> Done {
    match command {
        BenchCommand::Latency(args) if args.simulated => simulated::run(context, &args).await,
        BenchCommand::Latency(args) => latency::run(context, &args).await,
        BenchCommand::Apps(args) => apps::run(context, &args).await,
        BenchCommand::Idle(args) => idle::run(context, &args).await,
        BenchCommand::Soak(args) => soak::run(context, &args).await,
        BenchCommand::Throughput(args) => throughput::run(context, &args).await,
        BenchCommand::Byzantine(args) => byzantine::run(context, &args).await,
        BenchCommand::Crash(args) => crash::run(context, &args).await,
        BenchCommand::Scale(args) => scale::run(context, &args).await,
        BenchCommand::Flood(args) => flood::run(context, &args).await,
    }
}
