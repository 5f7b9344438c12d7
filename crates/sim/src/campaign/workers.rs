//! The threads of a campaign: each takes the next seed, plays it, and tells what came of it.
//! Worlds share nothing, so how many play at once changes no verdict.

use super::verdict::Verdict;
use crate::draw::Terms;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

/// Asks a campaign to stop: worlds that are being played end first.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// No more seeds.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Plays seeds on `jobs` threads, and tells of each world as it ends. Returns when all are
/// played, or it was asked to stop and the worlds that were being played have ended.
pub fn play_all(
    terms: &Terms,
    seeds: impl Iterator<Item = u64> + Send,
    jobs: usize,
    stop: &Stop,
    mut tell: impl FnMut(Verdict),
) {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let (told, verdicts) = mpsc::channel();
        for _ in 0..jobs.max(1) {
            let told = told.clone();
            let next = &next;
            scope.spawn(move || {
                while !stop.stopped()
                    && let Some(seed) = next()
                {
                    let verdict = Verdict::of(&terms.draw(seed), seed);
                    if told.send(verdict).is_err() {
                        return;
                    }
                }
            });
        }
        drop(told);
        for verdict in verdicts {
            tell(verdict);
        }
    });
}
