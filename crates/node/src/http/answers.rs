//! Figures of answers, for the metrics.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the histogram of answer times; one more bucket has the rest.
const BUCKETS_MS: [u64; 8] = [1, 5, 20, 100, 500, 2_000, 10_000, 60_000];

/// Counts of answers by class of status, and their times.
#[derive(Default)]
pub(super) struct Answers {
    classes: [AtomicU64; 4],
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Answers {
    /// Counts an answer.
    pub(super) fn count(&self, status: u16, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let class = usize::from((status / 100).clamp(2, 5) - 2);
        let bucket = BUCKETS_MS.partition_point(|bound_ms| *bound_ms < took_ms);
        for counter in [self.classes.get(class), self.buckets.get(bucket)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ms.fetch_add(took_ms, Ordering::Relaxed);
    }

    /// The figures in the OpenMetrics text format, without its end mark.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("# TYPE trustmesh_http_answers counter\n");
        // Writing to a String can't fail.
        for (class, counter) in (2..).zip(&self.classes) {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "trustmesh_http_answers_total{{class=\"{class}xx\"}} {count}");
        }
        text.push_str("# TYPE trustmesh_http_answer_ms histogram\n");
        let mut total = 0;
        let bounds = BUCKETS_MS.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
        for (bound, counter) in bounds.zip(&self.buckets) {
            total += counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "trustmesh_http_answer_ms_bucket{{le=\"{bound}\"}} {total}");
        }
        let sum_ms = self.sum_ms.load(Ordering::Relaxed);
        let _ = writeln!(text, "trustmesh_http_answer_ms_sum {sum_ms}");
        let _ = writeln!(text, "trustmesh_http_answer_ms_count {total}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class_and_time() {
        let answers = Answers::default();
        answers.count(200, Duration::from_millis(3));
        answers.count(503, Duration::from_secs(100));
        let text = answers.text();
        for line in ["{class=\"2xx\"} 1", "{class=\"5xx\"} 1", "{le=\"5\"} 1", "{le=\"+Inf\"} 2"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
