//! What the demo says at the end.

use crate::{
    output::Table,
    statistics::{Percentiles, Sample},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

/// What became of one request.
pub struct Outcome {
    /// Its times; `None` when it failed.
    pub sample: Option<Sample>,
    /// Time that each of its tasks ran, in microseconds.
    pub tasks_us: Vec<u64>,
    /// Which node ran which task, by their names.
    pub ran: Vec<(String, String)>,
}

/// The median alone; nothing (`null`) where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Median {
    /// Half of the values are at most this.
    pub p50: Option<f64>,
}

/// What programs get; times are milliseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Nodes of the mesh.
    pub nodes: usize,
    /// Requests sent.
    pub requests: usize,
    /// Those whose result came back and was checked.
    pub finalized: usize,
    /// The others.
    pub failed: usize,
    /// From before the submission to the checked result.
    pub rrt_ms: Percentiles,
    /// Round trip without the applications' own time.
    pub overhead_ms: Percentiles,
    /// How long a task ran.
    pub task_ms: Median,
    /// The network's folder; gone after the demo, unless kept.
    pub network_dir: PathBuf,
}

/// What only people are told.
pub struct Aside {
    /// Height of the ledger at the end.
    pub height: u64,
    /// Alerts raised.
    pub alerts: usize,
    /// Whether the mesh runs on.
    pub kept: bool,
}

impl Report {
    /// Sums up.
    pub fn of(nodes: usize, outcomes: &[Outcome], network_dir: PathBuf) -> Self {
        let samples = || outcomes.iter().filter_map(|outcome| outcome.sample);
        let finalized = samples().count();
        let tasks = outcomes.iter().flat_map(|outcome| outcome.tasks_us.iter().copied());
        Self {
            nodes,
            requests: outcomes.len(),
            finalized,
            failed: outcomes.len() - finalized,
            rrt_ms: Percentiles::of(samples().map(|sample| sample.round_trip_us)),
            overhead_ms: Percentiles::of(samples().map(|sample| sample.overhead_us())),
            task_ms: Median { p50: Percentiles::of(tasks).p50 },
            network_dir,
        }
    }

    /// The summary for people.
    pub fn text(&self, outcomes: &[Outcome], aside: &Aside) -> String {
        let mut text = String::from("\n");
        text += &Table::pairs([
            ("requests", format!("{} sent", self.requests)),
            ("", format!("{} finalized, {} failed", self.finalized, self.failed)),
            ("alerts", aside.alerts.to_string()),
            ("round trip", self.rrt_ms.text()),
            ("framework overhead", self.overhead_ms.text()),
            (
                "task",
                self.task_ms.p50.map_or_else(|| "-".to_owned(), |p50| format!("p50 {p50:.2} ms")),
            ),
            ("blocks", aside.height.to_string()),
        ]);
        let _ = write!(text, "\n\nWho computed what\n{}", who(outcomes));
        let folder = self.network_dir.display();
        if aside.kept {
            let _ = write!(
                text,
                "\n\nThe mesh runs on in {folder}. Look further:
  cd {folder}
  trustmesh request list
  trustmesh request show last --why who planned it, where each task ran, and why there
  trustmesh node list
  trustmesh ledger blocks
  trustmesh ledger verify           re-execute the chain from genesis
  trustmesh network down {folder}"
            );
        } else {
            text += "\n\nEverything is stopped and removed; `trustmesh demo --keep` leaves it \
                     running to look around.";
        }
        text
    }
}

/// A table of nodes against tasks, counting runs.
fn who(outcomes: &[Outcome]) -> String {
    let mut runs: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut tasks: Vec<&str> = Vec::new();
    for (node, task) in outcomes.iter().flat_map(|outcome| &outcome.ran) {
        *runs.entry(node).or_default().entry(task).or_default() += 1;
        if !tasks.contains(&task.as_str()) {
            tasks.push(task);
        }
    }
    let columns: Vec<&str> = ["node"].into_iter().chain(tasks.iter().copied()).collect();
    let mut table = Table::new(&columns, "nobody anything");
    for (node, counts) in runs {
        let cells = tasks.iter().map(|task| counts.get(task).copied().unwrap_or(0).to_string());
        table.row([node.to_owned()].into_iter().chain(cells));
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(round_trip_us: Option<u64>) -> Outcome {
        Outcome {
            sample: round_trip_us.map(|round_trip_us| Sample { round_trip_us, task_us: 1_000 }),
            tasks_us: vec![400, 600],
            ran: vec![("node-1".to_owned(), "process".to_owned())],
        }
    }

    #[test]
    fn the_report_has_the_promised_fields() {
        let outcomes = [outcome(Some(50_000)), outcome(None)];
        let report = Report::of(4, &outcomes, PathBuf::from("mesh"));
        let value = serde_json::to_value(&report).unwrap();
        let expected = serde_json::json!({
            "nodes": 4, "requests": 2, "finalized": 1, "failed": 1,
            "rrt_ms": {"p50": 50.0, "p99": 50.0},
            "overhead_ms": {"p50": 49.0, "p99": 49.0},
            "task_ms": {"p50": 0.4},
            "network_dir": "mesh",
        });
        assert_eq!(value, expected);
        let aside = Aside { height: 9, alerts: 0, kept: true };
        let text = report.text(&outcomes, &aside);
        assert!(text.contains("1 finalized, 1 failed") && text.contains("network down mesh"));
    }

    #[test]
    fn times_of_nothing_are_not_zero() {
        let failed = Outcome { sample: None, tasks_us: vec![], ran: vec![] };
        let report = Report::of(4, &[failed], PathBuf::from("mesh"));
        let value = serde_json::to_value(&report).unwrap();
        assert_eq!(value["rrt_ms"], serde_json::json!({"p50": null, "p99": null}));
        assert_eq!(value["task_ms"], serde_json::json!({"p50": null}));
        let text = report.text(&[], &Aside { height: 9, alerts: 0, kept: false });
        assert!(!text.contains("0.0"), "{text}");
    }
}
