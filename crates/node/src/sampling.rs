//! Samples of the machine for the agent's resource reports (PROTOCOL §5).
//!
//! Several nodes may share a machine, each attesting a share; each counts only its own. So
//! the foreign use that a node reports is what its own process takes beside its tasks: its
//! resident memory. What other programs take is the operator's to leave out of the share.

use crate::clock::now_ms;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use trustmesh_types::resources::{Resources, Snapshot};

/// Takes samples of this process.
pub(crate) struct Sampler {
    system: System,
}

impl Sampler {
    /// A sampler; the first sample can be taken at once.
    pub(crate) fn new() -> Self {
        Self { system: System::new() }
    }

    /// A sample of now.
    pub(crate) fn sample(&mut self) -> Snapshot {
        let memory_bytes = sysinfo::get_current_pid().map_or(0, |pid| {
            let kind = ProcessRefreshKind::nothing().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
            self.system.process(pid).map_or(0, sysinfo::Process::memory)
        });
        let foreign = Resources { memory_bytes, ..Resources::ZERO };
        Snapshot { taken_ms: now_ms(), foreign }
    }
}
