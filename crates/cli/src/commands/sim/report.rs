//! What a campaign says: by scenario, by size, and each failing seed with the line that
//! replays it.

use super::arguments::command;
use crate::{
    failure::{Done, Failure},
    output::Table,
};
use serde::Serialize;
use trustmesh_sim::{
    Scenario,
    campaign::{Asked, Broken, Record, Tally, Verdict},
};

/// A failing seed.
#[derive(Debug, Serialize)]
struct Failing {
    seed: u64,
    broken: Vec<Broken>,
    replay: String,
}

/// The least scenario that still fails.
#[derive(Debug, Serialize)]
pub struct Least {
    /// The seed that it is played with.
    pub seed: u64,
    /// Worlds that were played to find it.
    pub tries: u32,
    /// What breaks in it.
    pub broken: Vec<Broken>,
    /// For a file that `--plan` names.
    pub scenario: Scenario,
}

/// What a campaign came to.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    record: Record,
    jobs: usize,
    wall_seconds: f64,
    /// Seeds that were not played.
    open: u64,
    go_on: Option<String>,
    failing: Vec<Failing>,
    least: Option<Least>,
}

fn replay(asked: &Asked, seed: u64) -> String {
    command(asked, seed, 1)
}

/// The one line about a failing seed.
pub fn line(asked: &Asked, verdict: &Verdict) -> Option<String> {
    let broken = verdict.broken.first()?;
    let (seed, property, what) = (verdict.seed, &broken.property, &broken.what);
    let what = what.replace('\n', " ");
    Some(format!("seed {seed} breaks {property}: {what}; replay: {}", replay(asked, seed)))
}

impl Report {
    /// Of a record, after so many seconds.
    pub fn new(record: Record, jobs: usize, wall_seconds: f64, least: Option<Least>) -> Self {
        let open = record.open().count() as u64;
        let asked = &record.asked;
        let end = asked.first_seed.saturating_add(asked.seeds);
        let from = record.done_below;
        let go_on = (open > 0).then(|| command(asked, from, end.saturating_sub(from)));
        let failing = record.failures.iter().map(|failed| Failing {
            seed: failed.seed,
            broken: failed.broken.clone(),
            replay: replay(asked, failed.seed),
        });
        let failing = failing.collect();
        Self { record, jobs, wall_seconds, open, go_on, failing, least }
    }

    /// Whether all is well.
    pub fn conclusion(&self) -> Done {
        let (broken, worlds) = (self.record.all.broken, self.record.all.worlds);
        if broken > 0 {
            return Err(Failure::failed(format!("{broken} of {worlds} worlds broke a property")));
        }
        match &self.go_on {
            None => Ok(()),
            Some(go_on) => Err(Failure::failed(format!("stopped with {} seeds open", self.open))
                .advise(format!("the same command with the same --resume FILE, or {go_on}"))),
        }
    }
}

fn row(name: String, tally: &Tally) -> [String; 8] {
    let end = |end: &str| tally.ends.get(end).copied().unwrap_or(0).to_string();
    let each = tally.wall_seconds / (tally.worlds.max(1) as f64);
    [
        name,
        tally.worlds.to_string(),
        tally.broken.to_string(),
        end("delivered"),
        end("failed"),
        end("refused"),
        format!("{:.0} s", tally.virtual_seconds),
        format!("{each:.2} s"),
    ]
}

/// For people.
pub fn text(report: &Report) -> String {
    let head = [
        "scenario",
        "worlds",
        "broken",
        "delivered",
        "failed",
        "refused",
        "virtual time",
        "each takes",
    ];
    let mut table = Table::new(&head, "no world was played");
    for (name, tally) in &report.record.scenarios {
        table.row(row(name.clone(), tally));
    }
    for (nodes, tally) in &report.record.sizes {
        table.row(row(format!("{nodes} nodes"), tally));
    }
    table.row(row("all".to_owned(), &report.record.all));
    let mut text = table.text();
    let (worlds, seconds, jobs) = (report.record.all.worlds, report.wall_seconds, report.jobs);
    text.push_str(&format!("\n\n{worlds} worlds; {seconds:.1} s with {jobs} at a time"));
    for failing in &report.failing {
        let broken: Vec<String> =
            failing.broken.iter().map(|b| format!("{}: {}", b.property, b.what)).collect();
        text.push_str(&format!("\nseed {}: {}", failing.seed, broken.join("; ")));
        text.push_str(&format!("\n  replay: {}", failing.replay));
    }
    if let Some(least) = &report.least {
        let scenario = serde_json::to_string(&least.scenario).unwrap_or_default();
        let (seed, tries) = (least.seed, least.tries);
        text.push_str(&format!(
            "\n\nthe least scenario found in {tries} tries that fails alike; keep it in FILE and \
             play it with `trustmesh sim --plan FILE --first-seed {seed}`:\n{scenario}"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_seed_gives_one_line_that_replays_it() {
        let asked = Asked {
            scenario: None,
            nodes: Some(16),
            byzantine: Some(5),
            first_seed: 100,
            seeds: 50,
        };
        let broken = Broken { property: "S3".to_owned(), what: "seen\ntwice".to_owned() };
        let verdict = Verdict {
            seed: 117,
            scenario: "calm".to_owned(),
            nodes: 16,
            evil: Default::default(),
            ends: Default::default(),
            blocks: 1,
            virtual_ms: 1.0,
            wall_ms: 1.0,
            trace: None,
            broken: vec![broken],
        };
        let line = line(&asked, &verdict).unwrap();
        assert_eq!(
            line,
            "seed 117 breaks S3: seen twice; replay: trustmesh sim --scenario all --nodes 16 \
             --byzantine 5 --first-seed 117 --seeds 1"
        );
        let mut record = Record::new(asked);
        record.add(verdict);
        let report = Report::new(record, 2, 1.0, None);
        assert_eq!(report.open, 49);
        assert!(report.conclusion().is_err());
        assert!(text(&report).contains("replay: trustmesh sim --scenario all --nodes 16"));
    }
}
