//! Samples of the machine for the agent's resource reports (PROTOCOL §5).
//!
//! Several nodes may share a machine, each attesting a share; each counts only its own. So
//! the foreign use that a node reports is what its own process takes beside its tasks: its
//! resident memory. What other programs take is the operator's to leave out of the share.
//!
//! Samples are taken when the clock shows a multiple of the interval, so that on a network with
//! nothing to do the nodes' reports fall into one or two blocks (docs/adr/0007-idle-blocks.md).

use crate::clock::now_ms;
use std::time::Duration;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::{Instant, sleep_until};
use trustmesh_types::resources::{Resources, Snapshot};

/// Takes samples of this process.
pub(crate) struct Sampler {
    system: System,
    interval_ms: u64,
    due: Instant,
}

impl Sampler {
    /// A sampler; the first sample can be taken at once.
    pub(crate) fn new(interval_ms: u64) -> Self {
        Self { system: System::new(), interval_ms: interval_ms.max(1), due: Instant::now() }
    }

    /// The next sample, when its time has come. Loses none when it is dropped before.
    pub(crate) async fn next(&mut self) -> Snapshot {
        sleep_until(self.due).await;
        let snapshot = self.sample();
        let wait_ms = self.interval_ms - snapshot.taken_ms % self.interval_ms;
        self.due = Instant::now() + Duration::from_millis(wait_ms);
        snapshot
    }

    fn sample(&mut self) -> Snapshot {
        let memory_bytes = sysinfo::get_current_pid().map_or(0, |pid| {
            let kind = ProcessRefreshKind::nothing().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
            self.system.process(pid).map_or(0, sysinfo::Process::memory)
        });
        let foreign = Resources { memory_bytes, ..Resources::ZERO };
        Snapshot { taken_ms: now_ms(), foreign }
    }
}
