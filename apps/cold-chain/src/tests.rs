//! The three stages together: on real readings with labelled failures, and on simulated
//! ones.
//!
//! The real readings are the Numenta Anomaly Benchmark's ambient temperatures; they are
//! read from beside the repository and the test says so when they are not there.

use crate::{alert, command::answer, detect, process, simulate};
use serde_json::{Value, json};

fn stage<T: serde::Serialize>(
    stage: fn(&crate::Envelope) -> Result<T, crate::AppError>,
    input: &Value,
) -> Value {
    let output: Value = serde_json::from_str(&answer(input.to_string().as_bytes(), stage)).unwrap();
    output.get("data").cloned().unwrap_or_else(|| panic!("refused: {output}"))
}

/// The alerts of one window, through all three stages as the mesh chains them.
fn alerts(window: &Value, params: &Value) -> Vec<Value> {
    let processed = stage(process::stage, &json!({"data": window, "inputs": {}, "params": {}}));
    let detected = stage(
        detect::stage,
        &json!({"data": processed, "inputs": {"process": processed}, "params": params}),
    );
    let raised = stage(
        alert::stage,
        &json!({"data": detected, "inputs": {"detect": detected}, "params": {}}),
    );
    raised["alerts"].as_array().unwrap().clone()
}

#[test]
fn simulated_windows_alert_now_and_then_and_the_same_every_time() {
    let limits = json!({"temperature_min": 2, "temperature_max": 8});
    let raised = |seed: u64| -> Vec<u64> {
        (0..400)
            .filter(|index| {
                let window = serde_json::to_value(simulate(seed, *index, 30)).unwrap();
                !alerts(&window, &limits).is_empty()
            })
            .collect()
    };
    let first = raised(1);
    assert_eq!(first, raised(1));
    assert_ne!(first, raised(2));
    assert!((40..=120).contains(&first.len()), "{} of 400 windows", first.len());
}

#[cfg(feature = "host")]
mod real {
    use super::*;
    use crate::host::windows_from_csv;
    use std::io::Write as _;

    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/ambient_temperature_system_failure.csv"
    );
    /// Labelled failure periods of the benchmark, first and last timestamp.
    const FAILURES: [(&str, &str); 2] = [
        ("2013-12-15 07:00:00", "2013-12-30 09:00:00"),
        ("2014-03-29 15:00:00", "2014-04-20 22:00:00"),
    ];

    #[test]
    fn both_labelled_failures_are_found_and_few_windows_outside() {
        let Ok(file) = std::fs::File::open(FILE) else {
            // Past the harness, which keeps to itself what print macros say of passed tests.
            let said = "SKIPPED both_labelled_failures_are_found: the readings are not there\n";
            let _ = std::io::stderr().write_all(said.as_bytes());
            return;
        };
        let limits = json!({"temperature_min": 60, "temperature_max": 82});
        let (mut inside, mut outside, mut outside_alerts) = ([0; 2], 0, 0);
        for window in windows_from_csv(file, 30).unwrap() {
            let first = window.readings.first().unwrap().timestamp.clone();
            let last = window.readings.last().unwrap().timestamp.clone();
            let raised = !alerts(&serde_json::to_value(&window).unwrap(), &limits).is_empty();
            // Timestamps of this form sort as text.
            let period = FAILURES
                .iter()
                .position(|(from, to)| last.as_str() >= *from && first.as_str() <= *to);
            match period {
                Some(period) => inside[period] += usize::from(raised),
                None => {
                    outside += 1;
                    outside_alerts += usize::from(raised);
                }
            }
        }
        assert!(inside[0] > 0 && inside[1] > 0, "windows that alert inside: {inside:?}");
        assert!(outside > 200, "{outside} windows outside the periods");
        assert!(outside_alerts * 100 < outside * 3, "{outside_alerts} of {outside} outside");
    }
}
