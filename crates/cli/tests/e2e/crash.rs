//! `kill -9` of nodes at random moments under load: nothing that was accepted is lost, no
//! result is wrong, no node needs a hand. The command does the work (`trustmesh bench crash`).

use crate::{mesh::one_at_a_time, run::trustmesh};
use std::time::{Duration, Instant};

const KILLS: u64 = 200;
/// On two cores that others use as well.
const MOST: Duration = Duration::from_secs(600);

#[test]
fn two_hundred_kills_under_load_lose_nothing() {
    let _turn = one_at_a_time();
    let start = Instant::now();
    let kills = KILLS.to_string();
    let run = trustmesh(&["bench", "crash", "--kills", &kills, "--seed", "4", "-o", "json"]);
    let report = run.json();
    assert_eq!(report["flaws"], serde_json::json!([]), "{report}");
    assert!(report["kills"].as_u64() >= Some(KILLS), "{report}");
    assert!(report["all_at_once"].as_u64() >= Some(1), "{report}");
    let count = |name: &str| report["requests"][name].as_u64().expect("a number");
    assert_eq!((count("lost"), count("wrong"), count("not_accepted")), (0, 0, 0), "{report}");
    assert_eq!(count("right"), count("made"), "{report}");
    assert!(count("right") > KILLS, "hardly any load: {report}");
    assert!(start.elapsed() < MOST, "{:?}: {report}", start.elapsed());
}
