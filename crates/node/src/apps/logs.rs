//! The ends of applications' logs, as far as this process saw them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use trustmesh_types::AppId;

/// Bytes kept of one application's log.
const BYTES_MAX: usize = 64 * 1024;
/// Applications whose logs are kept.
const APPS_MAX: usize = 256;

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    /// What they take, empty ones too.
    bytes: usize,
}

fn bytes(line: &str) -> usize {
    line.len().saturating_add(size_of::<String>())
}

/// Logs by application.
#[derive(Debug, Default)]
pub(super) struct Logs(Mutex<BTreeMap<AppId, Lines>>);

impl Logs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<AppId, Lines>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run wrote to its log.
    pub(super) fn add(&self, app: &AppId, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let mut all = self.all();
        if !all.contains_key(app) && all.len() >= APPS_MAX {
            all.pop_first();
        }
        let log = all.entry(app.clone()).or_default();
        for line in text.lines() {
            log.bytes = log.bytes.saturating_add(bytes(line));
            log.lines.push_back(line.to_owned());
        }
        while log.bytes > BYTES_MAX {
            let Some(line) = log.lines.pop_front() else { break };
            log.bytes = log.bytes.saturating_sub(bytes(&line));
        }
    }

    /// The last lines of an application's log.
    pub(super) fn tail(&self, app: &AppId, lines_max: usize) -> String {
        let all = self.all();
        let Some(log) = all.get(app) else { return String::new() };
        let skip = log.lines.len().saturating_sub(lines_max);
        log.lines.iter().skip(skip).map(|line| format!("{line}\n")).collect()
    }

    /// An application is gone.
    pub(super) fn forget(&self, app: &AppId) {
        self.all().remove(app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_within_its_bound() {
        let (logs, app) = (Logs::default(), AppId::new("app").unwrap());
        logs.add(&app, " \n");
        assert_eq!(logs.tail(&app, 9), "");
        logs.add(&app, "one\ntwo");
        logs.add(&app, "three\n");
        assert_eq!(logs.tail(&app, 2), "two\nthree\n");
        logs.add(&app, &format!("{}\nlast", "x".repeat(BYTES_MAX)));
        assert_eq!(logs.tail(&app, 9), "last\n");
        logs.forget(&app);
        assert_eq!(logs.tail(&app, 9), "");
    }

    #[test]
    fn empty_lines_count_too() {
        let (logs, app) = (Logs::default(), AppId::new("app").unwrap());
        logs.add(&app, &format!("first{}last", "\n".repeat(BYTES_MAX)));
        let kept = logs.tail(&app, usize::MAX);
        assert!(kept.len() < BYTES_MAX / 8 && kept.ends_with("last\n"), "{} bytes", kept.len());
    }
}
