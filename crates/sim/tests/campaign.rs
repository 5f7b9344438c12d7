//! The judge over many seeds: every property of PROTOCOL §8 holds in each. `trustmesh sim`
//! plays any number more.

use std::{sync::Mutex, thread};
use trustmesh_sim::{
    MIXES, Terms,
    campaign::{Asked, Record, Stop, Verdict, play_all},
};

const SEEDS: u64 = 200;

fn play(terms: &Terms, first_seed: u64, seeds: u64, jobs: usize) -> (Record, Vec<Verdict>) {
    let asked = Asked { scenario: None, nodes: None, byzantine: None, first_seed, seeds };
    let mut record = Record::new(asked);
    let open: Vec<u64> = record.open().collect();
    let mut verdicts = Vec::new();
    play_all(terms, open.into_iter(), jobs, &Stop::default(), |verdict| {
        if let Some(broken) = verdict.broken.first() {
            let (seed, name) = (verdict.seed, &verdict.scenario);
            eprintln!("{name}: {broken:?}; replay: trustmesh sim --first-seed {seed} --seeds 1");
        }
        verdicts.push(verdict.clone());
        record.add(verdict);
    });
    verdicts.sort_by_key(|verdict| verdict.seed);
    (record, verdicts)
}

#[test]
fn two_hundred_seeds_hold() {
    let jobs = thread::available_parallelism().map_or(1, Into::into);
    let (record, _) = play(&Terms::default(), 0, SEEDS, jobs);
    let failing: Vec<(u64, _)> =
        record.failures.iter().map(|failed| (failed.seed, failed.broken.first())).collect();
    assert!(record.held(), "{failing:?}");
    assert_eq!(record.open().count(), 0);
    // A judge that sees nothing happen judges nothing.
    assert_eq!(record.scenarios.len(), MIXES.len());
    assert_eq!(record.sizes.len(), 3);
    let ended = |end| record.all.ends.get(end).copied().unwrap_or(0);
    assert!(ended("delivered") > 5 * SEEDS, "{:?}", record.all.ends);
    assert!(ended("failed") > 0, "some applications fail: {:?}", record.all.ends);
    assert!(record.deviations.len() > 10, "{:?}", record.deviations);
}

#[test]
fn how_many_worlds_play_at_once_changes_no_world() {
    let terms = Terms { nodes: Some(4), ..Terms::default() };
    let strip = |(_, verdicts): (Record, Vec<Verdict>)| -> Vec<_> {
        let known = |v: Verdict| (v.seed, v.trace.unwrap(), v.blocks, v.ends);
        verdicts.into_iter().map(known).collect()
    };
    let one = strip(play(&terms, 1_000, 6, 1));
    let several = strip(play(&terms, 1_000, 6, 3));
    assert_eq!(one, several);
    assert!(one.windows(2).all(|pair| pair[0].1 != pair[1].1), "seeds differ");
}

#[test]
fn a_campaign_that_is_stopped_goes_on_where_it_stopped() {
    let terms = Terms { nodes: Some(4), ..Terms::default() };
    let asked =
        Asked { scenario: None, nodes: Some(4), byzantine: None, first_seed: 2_000, seeds: 5 };
    let mut record = Record::new(asked);
    let stop = Stop::default();
    let first: Vec<u64> = record.open().collect();
    let taken = Mutex::new(0);
    play_all(&terms, first.into_iter(), 1, &stop, |verdict| {
        *taken.lock().unwrap() += 1;
        stop.stop();
        record.add(verdict);
    });
    let played = *taken.lock().unwrap();
    assert!((1..5).contains(&played), "{played}");
    let rest: Vec<u64> = record.open().collect();
    assert_eq!(rest.len(), 5 - played);
    play_all(&terms, rest.into_iter(), 2, &Stop::default(), |verdict| record.add(verdict));
    assert_eq!((record.open().count(), record.all.worlds), (0, 5));
}
