//! Clocks that are off by minutes: what such a node can't do, the others do.

use crate::{
    daemon::Daemon,
    load,
    mesh::{Mesh, one_at_a_time},
};
use nix::sys::signal::Signal;
use std::{fs, time::Duration};

const CATCH_UP: Duration = Duration::from_secs(60);
const STOP_MOST: Duration = Duration::from_secs(8);
const FIVE_MINUTES_MS: i64 = 5 * 60 * 1_000;

#[test]
fn a_clock_that_is_off_by_minutes_harms_nobody() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let config = mesh.config(4);
    let plain = fs::read_to_string(&config).expect("a configuration");
    let set = |ahead_ms: i64| {
        let text = format!("{plain}\n[testing]\nclock_offset_ms = {ahead_ms}\n");
        fs::write(&config, text).expect("a configuration");
    };
    set(FIVE_MINUTES_MS);
    let mut nodes = Daemon::all_of(&mesh);
    assert!(nodes[3].said("the clock is shifted"), "{}", nodes[3].log());
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| {
        for ahead_ms in [-FIVE_MINUTES_MS, 0] {
            load.until_more(8);
            nodes[3].signal(Signal::SIGTERM);
            let (code, _) = nodes[3].ended(STOP_MOST);
            assert_eq!(code, 0, "{}", nodes[3].log());
            set(ahead_ms);
            nodes[3] = Daemon::start(&config);
            nodes[3].until_ready();
        }
        load.until_more(8);
    });
    mesh.until_caught_up("node-4", CATCH_UP);
    mesh.agree();
}
