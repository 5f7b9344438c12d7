//! The demo's flags.

use clap::Args;
use std::{path::PathBuf, time::Duration};
use trustmesh_api::duration;

/// Runs a local mesh through the cold chain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  trustmesh demo
  trustmesh demo --nodes 7 --requests 50 -o json
  trustmesh demo --input readings.csv --keep

A CSV file has the columns `timestamp`, one of `temperature_c`, `temperature_f` or `value` (°F),
and perhaps `humidity`. Its readings are sent in windows of 30. With fewer requests than windows,
the file is cut into as many equal stretches as there are requests, and each sends its window that
strays farthest from the file's median; with more, the file is sent again from its start.
Without a file, a seeded simulator gives a cold room around 5 °C with spikes and drifts.
Limits: 60 to 82 °F for °F, 2 to 8 °C for °C; readings beyond them raise alerts.")]
pub struct DemoArgs {
    /// Compute nodes, each a process of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub nodes: u16,
    /// Requests to send
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub requests: u32,
    /// Sensor readings to send, a CSV file [default: simulated ones]
    #[arg(long, value_name = "FILE.csv")]
    pub input: Option<PathBuf>,
    /// Time from one request to the next, as in 500ms or 2s [default: as soon as the
    /// result of the last one is in]
    #[arg(long, value_parser = duration::parse)]
    pub interval: Option<Duration>,
    /// Seed of the simulated readings
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave the mesh running, to look around
    #[arg(long)]
    pub keep: bool,
}
