//! Flags of the noun.

use crate::failure::{Done, Failure};
use clap::Args;
use std::{path::PathBuf, thread};
use trustmesh_sim::{MIXES, Terms, campaign::Asked, mix};

/// What stands for any kind of scenario.
const ALL: &str = "all";

/// Plays whole meshes in virtual time, each drawn from a seed, and judges them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  trustmesh sim --seeds 200
  trustmesh sim --nodes 16 --byzantine 5 --seeds 1000 --resume campaign.json
  trustmesh sim --scenario partition --first-seed 17 --seeds 1 -o json
  trustmesh sim --plan least.json --first-seed 17")]
pub struct SimArgs {
    /// Nodes of every mesh [default: 4, 7 or 16, as the seed draws]
    #[arg(long, value_parser = clap::value_parser!(u16).range(4..=32))]
    pub nodes: Option<u16>,
    /// Evil nodes of every mesh [default: up to f in the kinds that have some]
    #[arg(long)]
    pub byzantine: Option<u16>,
    /// How many seeds
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    pub first_seed: u64,
    /// Kind of scenarios, or `all`
    #[arg(long, default_value = ALL)]
    pub scenario: String,
    /// Worlds played at the same time [default: as many as there are cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Keep what is done in this file, and go on where it ends
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Play the scenario in this file (JSON) instead, with the first seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "byzantine", "scenario", "resume", "seeds"])]
    pub plan: Option<PathBuf>,
    /// Reduce the first failing scenario to the least that still fails [default: when one
    /// seed alone is played]
    #[arg(long)]
    pub shrink: bool,
    /// Leave a failing scenario as it is
    #[arg(long, conflicts_with = "shrink")]
    pub no_shrink: bool,
    /// Worlds that are played to reduce one, at most
    #[arg(long, default_value_t = 80, value_name = "WORLDS")]
    pub shrink_tries: u32,
}

impl SimArgs {
    /// What scenarios are drawn.
    pub fn terms(&self) -> Done<Terms> {
        let mix = match self.scenario.as_str() {
            ALL => None,
            name => Some(mix(name).ok_or_else(|| unknown(name))?),
        };
        let terms = Terms { mix, nodes: self.nodes, byzantine: self.byzantine };
        let (nodes, evil) = (self.nodes.unwrap_or(4), self.byzantine.unwrap_or(0));
        let tolerated = nodes.saturating_sub(1) / 3;
        if evil > tolerated {
            let what = format!("{nodes} nodes stand at most {tolerated} evil ones, not {evil}");
            return Err(Failure::usage(what).advise("name more nodes with --nodes, or fewer evil"));
        }
        Ok(terms)
    }

    /// The campaign that is asked for.
    pub fn asked(&self) -> Asked {
        Asked {
            scenario: (self.scenario != ALL).then(|| self.scenario.clone()),
            nodes: self.nodes,
            byzantine: self.byzantine,
            first_seed: self.first_seed,
            seeds: self.seeds,
        }
    }

    /// Worlds played at the same time.
    pub fn jobs(&self) -> usize {
        self.jobs.map_or_else(|| thread::available_parallelism().map_or(1, Into::into), Into::into)
    }

    /// Whether the first failing scenario is reduced.
    pub const fn shrinks(&self) -> bool {
        self.shrink || (self.seeds == 1 && !self.no_shrink)
    }
}

fn unknown(name: &str) -> Failure {
    let names: Vec<&str> = MIXES.iter().map(|mix| mix.name).collect();
    Failure::usage(format!("there is no kind of scenario {name:?}"))
        .advise(format!("use {ALL} or one of {}", names.join(", ")))
}

/// The command that plays these seeds again.
pub fn command(asked: &Asked, first_seed: u64, seeds: u64) -> String {
    let mut line = format!("trustmesh sim --scenario {}", asked.scenario.as_deref().unwrap_or(ALL));
    if let Some(nodes) = asked.nodes {
        line.push_str(&format!(" --nodes {nodes}"));
    }
    if let Some(evil) = asked.byzantine {
        line.push_str(&format!(" --byzantine {evil}"));
    }
    line.push_str(&format!(" --first-seed {first_seed} --seeds {seeds}"));
    line
}
