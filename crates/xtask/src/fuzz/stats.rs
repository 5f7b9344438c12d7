//! What libFuzzer says of a run, on one line.

use std::fmt;

/// A run's figures.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stats {
    runs: u64,
    seconds: u32,
    /// Places in the code that were reached.
    covered: u64,
    memory_mib: u64,
}

impl Stats {
    /// Reads them from the run's log; `None` when they are not there.
    pub(super) fn read(log: &str, seconds: u32) -> Option<Self> {
        let stat = |name: &str| -> Option<u64> {
            let line = log.lines().rev().find_map(|line| line.strip_prefix(name));
            line?.trim().parse().ok()
        };
        let covered = log.lines().rev().find_map(|line| {
            let (_, rest) = line.split_once(" cov: ")?;
            rest.split(' ').next()?.parse().ok()
        });
        Some(Self {
            runs: stat("stat::number_of_executed_units:")?,
            seconds,
            covered: covered?,
            memory_mib: stat("stat::peak_rss_mb:")?,
        })
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, seconds, covered, memory_mib } = self;
        write!(f, "{runs} runs in {seconds} s, {covered} places, {memory_mib} MiB, no finding")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_end_of_a_log() {
        let log = "#2\tINITED cov: 5 ft: 6 corp: 1/1b\n#99\tDONE   cov: 12 ft: 30 corp: 3/9b\n\
                   stat::number_of_executed_units: 4711\nstat::peak_rss_mb:             55\n";
        let stats = Stats::read(log, 60).unwrap();
        assert_eq!(stats.to_string(), "4711 runs in 60 s, 12 places, 55 MiB, no finding");
        assert_eq!(Stats::read("panicked", 60), None);
    }
}
