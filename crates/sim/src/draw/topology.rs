//! Zones, latencies and disks.

use super::Sketch;
use crate::scenario::{Link, Links};
use std::time::Duration;

/// Zones and how far apart they are: from one room to three continents.
pub(super) fn links(sketch: &Sketch) -> Links {
    let dice = sketch.dice;
    let zones = dice.range("zones", 0, 1, 3);
    let zone = |node: usize| {
        let drawn = dice.range("zone", node as u64, 1, zones);
        u16::try_from(drawn).unwrap_or(1)
    };
    let near = dice.millis("near", 0, 1, 5);
    let far = near + dice.millis("far", 0, 0, 40);
    let jitter = Duration::from_micros(dice.range("jitter", 0, 0, 2_000));
    let link = |latency| Link { latency, jitter, loss_per_mille: 0 };
    Links {
        nodes: link(far),
        zones: (0..sketch.nodes).map(zone).collect(),
        near: link(near),
        special: Vec::new(),
        device: dice.millis("device way", 0, 1, 30),
        disk: Duration::from_micros(dice.range("disk", 0, 100, 20_000)),
    }
}
