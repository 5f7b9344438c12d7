//! Flags of the noun.

use clap::{Args, Subcommand};
use std::{net::IpAddr, path::PathBuf, time::Duration};
use trustmesh_api::duration;

/// Measures a local mesh.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh bench latency && trustmesh bench throughput -o json")]
pub enum BenchCommand {
    /// One request at a time: round trip and what the framework adds; then the idle mesh
    #[command(after_help = "Example:
  trustmesh bench latency --requests 500 -o json
  trustmesh bench latency --simulated --nodes 16 --requests 40")]
    Latency(LatencyArgs),
    /// As much as the mesh takes: finished requests, then bare ledger transactions
    #[command(after_help = "Example:
  trustmesh bench throughput --concurrency 256")]
    Throughput(ThroughputArgs),
    /// Applications: how long until all nodes run one, what a call costs, how fast nodes fetch
    #[command(after_help = "Example:
  trustmesh bench apps
  trustmesh bench apps --image thermometer.tar --registry 127.0.0.1:5000

The image must answer as docs/applications.md says; `cargo run -p fixtures --example image` makes one.")]
    Apps(AppsArgs),
    /// What others notice of one member that floods through all nodes
    #[command(after_help = "Example:
  trustmesh bench flood --requests 500 -o json")]
    Flood(FloodArgs),
    /// What an idle mesh writes, and how long a dead leader holds up the others
    #[command(after_help = "Example:
  trustmesh bench idle
  trustmesh bench idle --idle-interval-ms 5000 --leader-timeout-ms 5500 -o json")]
    Idle(IdleArgs),
    /// Constant load over many blocks: disk, memory and latency, window by window
    #[command(after_help = "Example:
  trustmesh bench soak --blocks 100000 --keep 8192
  trustmesh bench soak --blocks 5000 --rate 40 -o json")]
    Soak(SoakArgs),
    /// How fast malicious plans are detected and recovered from, beside the paper's figures
    #[command(after_help = "Example:
  trustmesh bench byzantine
  trustmesh bench byzantine --nodes 7 --malicious 2 --iterations 20 --real-nodes 0 -o json")]
    Byzantine(ByzantineArgs),
    /// Kill nodes at random moments under load: is anything lost, wrong, or stuck?
    #[command(after_help = "Example:
  trustmesh bench crash --kills 1000
  trustmesh bench crash --kills 40 --seed 7 -o json")]
    Crash(CrashArgs),
    /// What a mesh costs by its size, simulated: overhead, messages and bytes
    #[command(after_help = "Example:
  trustmesh bench scale --plot scale.svg
  trustmesh bench scale --validators 4,16 --requests 20 -o json
  trustmesh bench scale --validators 16 --workers 100 --committee 16")]
    Scale(ScaleArgs),
}

/// How sizes are compared.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Validators: a mesh of each number, one after the other
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "4,16,64,128",
        value_parser = clap::value_parser!(u16).range(4..=128)
    )]
    pub validators: Vec<u16>,
    /// Workers of one more mesh, which follow the chain and don't vote; 0 to leave it out
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=4_096))]
    pub workers: u16,
    /// Validators of that mesh
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(4..=128))]
    pub committee: u16,
    /// Requests to each mesh, one after the other, of three stages
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub requests: u32,
    /// Draw the figures into this file (SVG)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// How crashes are tried.
#[derive(Debug, Args)]
pub struct CrashArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Processes to kill
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub kills: u32,
    /// Every so many times all nodes are killed at once; 0 for never
    #[arg(long, default_value_t = 20)]
    pub all_every: u32,
    /// Requests that are made per second
    #[arg(long, default_value_t = 4.0, value_parser = rate)]
    pub per_second: f64,
    /// Devices that make them
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub devices: u16,
    /// When a silent leader is passed over: the less, the more kills in an hour
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(200..=60_000))]
    pub leader_timeout_ms: u64,
    /// Draws the moments and the nodes [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Requests per second: more than none, and no more than a timer can keep.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write a number, as in 2.5".to_owned())?;
    if (0.01..=1_000.0).contains(&rate) { Ok(rate) } else { Err("use 0.01 to 1000".to_owned()) }
}

/// How applications are measured.
#[derive(Debug, Args)]
pub struct AppsArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Image of a container that passes its data on; without one, modules alone are measured
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Registry to put the image into first, as HOST:PORT
    #[arg(long, value_name = "HOST", requires = "image")]
    pub registry: Option<String>,
    /// Unix socket of the container engine [default: Docker's or Podman's usual one]
    #[arg(long, value_name = "FILE", requires = "image")]
    pub container_socket: Option<PathBuf>,
    /// Calls of a container and of a module, one after the other
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub calls: u32,
    /// Bytes of the artifact that is fetched from a node
    #[arg(long, default_value_t = 64_000_000, value_parser = clap::value_parser!(u64).range(1_000_000..=1_000_000_000))]
    pub artifact_bytes: u64,
}

/// How idleness is measured.
#[derive(Debug, Args)]
pub struct IdleArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// How long the idle mesh is watched
    #[arg(long = "for", default_value = "60s", value_parser = duration::parse)]
    pub span: Duration,
    /// How long a leader without anything to do holds its turn [default: the network's usual]
    #[arg(long)]
    pub idle_interval_ms: Option<u64>,
    /// When a silent leader is passed over [default: the network's usual]
    #[arg(long)]
    pub leader_timeout_ms: Option<u64>,
    /// Transactions, one after the other, after a node is killed; 0 to kill none
    #[arg(long, default_value_t = 60)]
    pub after_kill: u32,
}

/// How a long run is measured.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Blocks
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(200..))]
    pub blocks: u64,
    /// Transactions per second, each likely a block of its own
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rate: u32,
    /// Of so many transactions one is a request of three stages that do nothing
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub request_every: u32,
    /// Whole blocks and their history that nodes keep [default: a tenth of the blocks, at least 5,120]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_024..))]
    pub keep: Option<u64>,
    /// Windows that figures are told by
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(4..=1_000))]
    pub windows: u64,
}

/// How attacks are measured.
#[derive(Debug, Args)]
pub struct ByzantineArgs {
    /// Nodes in the simulator
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(4..=32))]
    pub nodes: u16,
    /// Malicious ones among them
    #[arg(long, default_value_t = 5)]
    pub malicious: u16,
    /// Attacks of each kind in the simulator
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub iterations: u32,
    /// Real processes to attack; 0 to leave them out
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(0..=16))]
    pub real_nodes: u16,
    /// Attacks of each kind on real processes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub real_iterations: u32,
}

/// How a flood is measured.
#[derive(Debug, Args)]
pub struct FloodArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Others' requests in all quiet and in all flooded phases, each
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// Quiet phases, each followed by a flooded one: the machine's own moods hit both
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub phases: u32,
    /// The others' devices
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub devices: u16,
    /// Their requests on their way at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub concurrency: u16,
    /// The flooder's connections to each node, half for transactions, half for requests
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(2..=512))]
    pub connections: u16,
    /// The flooder's own address on this machine
    #[arg(long, default_value = "127.0.0.2")]
    pub flood_from: IpAddr,
}

/// How latency is measured.
#[derive(Debug, Args)]
pub struct LatencyArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Requests, one after the other, of a workflow of three stages that do nothing
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// How long the idle mesh is watched
    #[arg(long, default_value = "20s", value_parser = duration::parse)]
    pub idle: Duration,
    /// Play it in virtual time instead: nodes 5.12 ms apart, the device 12.2 ms away
    #[arg(long)]
    pub simulated: bool,
}

/// How throughput is measured.
#[derive(Debug, Args)]
pub struct ThroughputArgs {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Requests of a workflow of three stages that do nothing; 0 to leave them out
    #[arg(long, default_value_t = 4_000)]
    pub requests: u32,
    /// Devices that send them, and that sign the transactions
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub devices: u16,
    /// Requests on their way at the same time: the next is sent when a result is in
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub concurrency: u16,
    /// Signed transactions of 512 bytes; 0 to leave them out
    #[arg(long, default_value_t = 100_000)]
    pub transactions: u32,
    /// Transactions handed over at a time
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub batch: u16,
}
