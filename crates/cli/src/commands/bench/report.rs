//! A benchmark's figures as people read them: each beside its target.

use super::{machine::Machine, usage::Usage};
use crate::output::Table;
use serde::Serialize;

/// A figure that may have a target.
pub struct Figure {
    name: &'static str,
    value: String,
    target: String,
    met: bool,
}

impl Figure {
    /// One that shall be at most `target`.
    pub fn at_most(name: &'static str, value: f64, target: f64, unit: &str) -> Self {
        Self {
            name,
            value: format!("{value:.1} {unit}"),
            target: format!("≤ {target} {unit}"),
            met: value <= target,
        }
    }

    /// One that shall be at least `target`.
    pub fn at_least(name: &'static str, value: f64, target: f64, unit: &str) -> Self {
        Self {
            name,
            value: format!("{value:.0} {unit}"),
            target: format!("≥ {target} {unit}"),
            met: value >= target,
        }
    }

    /// One without a target.
    pub fn plain(name: &'static str, value: String) -> Self {
        Self { name, value, target: String::new(), met: true }
    }

    /// Figures as a table.
    pub fn table(figures: &[Self]) -> String {
        let mut table = Table::new(&["figure", "measured", "target", ""], "");
        for figure in figures {
            let verdict = match (figure.target.is_empty(), figure.met) {
                (true, _) => "",
                (false, true) => "met",
                (false, false) => "MISSED",
            };
            let cells = [figure.name, &figure.value, &figure.target, verdict];
            table.row(cells.map(str::to_owned));
        }
        table.text()
    }
}

/// The most that any node used.
#[derive(Debug, Clone, Serialize)]
pub struct NodesUsage {
    /// Percent of a core, of the node that used most.
    pub cpu_percent_max: f64,
    /// KB (1,000 bytes) written per second, of the node that wrote most.
    pub written_kb_per_s_max: f64,
    /// Resident memory in MB (1,000,000 bytes), of the node with most.
    pub resident_mb_max: f64,
    /// Every node's.
    pub nodes: Vec<Usage>,
}

impl NodesUsage {
    /// Sums up.
    pub fn of(nodes: Vec<Usage>) -> Self {
        let most = |of: fn(&Usage) -> f64| nodes.iter().map(of).fold(0.0, f64::max);
        Self {
            cpu_percent_max: most(|it| it.cpu_percent),
            written_kb_per_s_max: most(|it| it.written_kb_per_s),
            resident_mb_max: most(|it| it.resident_mb),
            nodes,
        }
    }
}

/// The figures as a table, under a line that names the machine.
pub fn text(machine: &Machine, figures: &[Figure]) -> String {
    format!("{}\n\n{}", machine.text(), Figure::table(figures))
}
