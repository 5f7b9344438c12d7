//! The machine that a benchmark ran on, so that figures can be compared.

use crate::output::units;
use serde::Serialize;
use std::{
    fs, thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// A machine and a moment.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// When, UTC.
    pub date: String,
    /// This program's version.
    pub version: &'static str,
}

impl Machine {
    /// This machine, now. What the system does not tell is `unknown` or 0.
    pub fn this() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(0, Into::into),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
            date: units::utc_date(now.as_secs()),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// One line for people.
    pub fn text(&self) -> String {
        format!(
            "{}, {} cores, {} MiB, Linux {}, {}, trustmesh {}",
            self.cpu, self.cores, self.memory_mib, self.kernel, self.date, self.version
        )
    }
}

/// The first `name : value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_a_date() {
        let machine = Machine::this();
        assert!(machine.cores > 0);
        assert_eq!(machine.date.len(), 10, "{}", machine.date);
    }
}
