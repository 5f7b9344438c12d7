//! The applications of simulated worlds: small pure functions from the JSON object that an
//! application reads to its output, each with a virtual running time. All of them read and
//! write arrays, so that any may follow any.

use serde_json::Value;
use std::time::Duration;
use trustmesh_types::{
    AppId, Contents,
    contents::ContentsError,
    resources::{MIB, Resources},
};

/// An application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// Gives back its data.
    Echo,
    /// Gives the sum of its data's integers, alone in an array.
    Sum,
    /// Gives back its data, after a while.
    Slow,
    /// Fails.
    Fail,
    /// Gives back its data, and reserves most of a node meanwhile.
    Heavy,
}

impl App {
    pub(crate) const ALL: [Self; 5] = [Self::Echo, Self::Sum, Self::Slow, Self::Fail, Self::Heavy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Sum => "sum",
            Self::Slow => "slow",
            Self::Fail => "fail",
            Self::Heavy => "heavy",
        }
    }

    pub(crate) fn of(id: &AppId) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == id.as_str())
    }

    /// Contents of what stands for the application's module: other bytes for each.
    pub(crate) fn contents(self) -> Result<Contents, ContentsError> {
        Contents::of_module(format!("simulated module of {}", self.name()).as_bytes())
    }

    pub(crate) const fn running_time(self) -> Duration {
        match self {
            Self::Echo => Duration::from_millis(2),
            Self::Sum => Duration::from_millis(3),
            Self::Slow => Duration::from_millis(400),
            Self::Fail => Duration::from_millis(1),
            Self::Heavy => Duration::from_millis(20),
        }
    }

    /// What a run reserves: small enough that every node can run several; of the heavy one
    /// only one at a time.
    pub(crate) const fn requirements(self) -> Resources {
        let cpu_millis = if matches!(self, Self::Heavy) { 2_500 } else { 100 };
        Resources { cpu_millis, memory_bytes: 32 * MIB, disk_bytes: 0 }
    }

    /// What the application makes of its `data`.
    pub(crate) fn compute(self, data: &Value) -> Result<Value, String> {
        match self {
            Self::Echo | Self::Slow | Self::Heavy => Ok(data.clone()),
            Self::Sum => Ok(Value::from(vec![sum(data)])),
            Self::Fail => Err("this application fails; the end of its log: as told".to_owned()),
        }
    }

    /// A run: from the bytes that an application reads to its output.
    pub(crate) fn run(self, envelope: &[u8]) -> Result<Value, String> {
        let read: Value =
            serde_json::from_slice(envelope).map_err(|e| format!("unreadable input: {e}"))?;
        self.compute(read.get("data").ok_or("the input has no data")?)
    }
}

fn sum(value: &Value) -> i64 {
    match value {
        Value::Array(items) => items.iter().map(sum).fold(0, i64::wrapping_add),
        other => other.as_i64().unwrap_or(0),
    }
}
