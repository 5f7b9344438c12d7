//! What a call has spent so far: wall time, and the time that its thread was on a processor.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The start of a call. It counts the thread it is asked on, which must be the call's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    started: Instant,
    cpu_before: Duration,
}

impl Spent {
    /// Counts from now, on this thread.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), cpu_before: thread_cpu_time() }
    }

    /// Wall time since the start.
    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time that this thread was on a processor since the start.
    pub(crate) fn cpu(&self) -> Duration {
        thread_cpu_time().saturating_sub(self.cpu_before)
    }
}

/// Where the system has no such clock nothing is counted, and wall time bounds a call alone.
fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn time_that_others_use_or_nobody_does_is_not_counted_as_cpu_time() {
        let spent = Spent::start();
        thread::sleep(Duration::from_millis(20));
        let other = thread::spawn(|| {
            let busy = Spent::start();
            while busy.cpu() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
        });
        other.join().unwrap();
        assert!(spent.wall() >= Duration::from_millis(50), "{:?}", spent.wall());
        assert!(spent.cpu() < Duration::from_millis(15), "{:?}", spent.cpu());
    }
}
