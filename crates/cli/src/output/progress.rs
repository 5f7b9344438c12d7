//! Progress on standard error: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal as _, time::Duration};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Progress of one job.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `length` steps.
    pub fn bar(length: u64, what: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
        Self::new(ProgressBar::with_draw_target(Some(length), target()), style, what)
    }

    /// A spinner for a job of unknown length.
    pub fn spinner(what: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let progress = Self::new(ProgressBar::with_draw_target(None, target()), style, what);
        progress.bar.enable_steady_tick(TICK);
        progress
    }

    fn new(
        bar: ProgressBar,
        style: Result<ProgressStyle, indicatif::style::TemplateError>,
        what: &str,
    ) -> Self {
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// One step further.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// At this step now.
    pub fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// At this step of so many.
    pub fn of(&self, position: u64, length: u64) {
        self.bar.set_length(length);
        self.bar.set_position(position);
    }

    /// Says what is done now.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Prints while the bar is out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}
