//! The demo's device: sends a window, takes the result, checks it, reads the alerts.

use super::summary::Outcome;
use crate::{
    failure::{Done, Failure},
    statistics::Sample,
};
use cold_chain::Window;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use trustmesh_client::{Client, Device, SubmitSpec};
use trustmesh_types::{PublicKey, SecretKey, workflow::Workflow};

/// A request must have ended by then.
const DEADLINE: Duration = Duration::from_secs(60);

/// An alert, as *generate-alerts* writes it.
#[derive(Debug, Deserialize)]
pub struct Alert {
    severity: String,
    risk: f64,
    title: String,
    reason: String,
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

/// What came back for one window.
pub struct Answer {
    /// Which window, from 0.
    pub index: usize,
    /// Times, and who ran what.
    pub outcome: Outcome,
    /// What the workflow raised.
    pub alerts: Vec<Alert>,
    /// Why there is no result.
    pub failure: Option<String>,
}

/// A registered device and the workflow that it uses.
pub struct DemoDevice {
    device: Device,
    workflow: Workflow,
    names: BTreeMap<PublicKey, String>,
}

impl Alert {
    /// One line for people.
    pub fn text(&self, request: usize) -> String {
        format!(
            "request {request}: {} (risk {:.0}) {}, {} to {}: {}",
            self.severity.to_uppercase(),
            self.risk,
            self.title,
            self.from,
            self.to,
            self.reason
        )
    }
}

impl DemoDevice {
    /// A device with `key`; `names` are those of the nodes.
    pub fn new(
        client: Client,
        key: SecretKey,
        workflow: Workflow,
        names: BTreeMap<PublicKey, String>,
    ) -> Self {
        Self { device: Device::new(client, key), workflow, names }
    }

    /// Height of the ledger.
    pub async fn height(&self) -> Done<u64> {
        Ok(self.device.client().status().await?.height)
    }

    /// Sends a window and waits for its result.
    pub async fn ask(&self, index: usize, window: &Window) -> Answer {
        match self.try_ask(window).await {
            Ok((outcome, alerts)) => Answer { index, outcome, alerts, failure: None },
            Err(failure) => {
                let outcome = Outcome { sample: None, tasks_us: Vec::new(), ran: Vec::new() };
                let failure = Some(failure.to_string());
                Answer { index, outcome, alerts: Vec::new(), failure }
            }
        }
    }

    async fn try_ask(&self, window: &Window) -> Done<(Outcome, Vec<Alert>)> {
        let data = serde_json::to_value(window).map_err(Failure::failed)?;
        let workflow = self.workflow.id.clone();
        let start = Instant::now();
        let spec = SubmitSpec { workflow, data, deadline: DEADLINE, persist: false };
        let request = self.device.submit(spec).await?;
        let result = self.device.result(&request, DEADLINE).await?;
        let round_trip_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);

        let task_us = result.view.critical_path_us(&self.workflow);
        let sample = Some(Sample { round_trip_us, task_us });
        let tasks = &result.view.tasks;
        let ran = tasks.iter().filter_map(|task| {
            let node = task.completed_by?;
            let name = self.names.get(&node).cloned().unwrap_or_else(|| node.short());
            Some((name, task.task.to_string()))
        });
        let tasks_us = tasks.iter().filter_map(|task| task.duration_us).collect();
        let outcome = Outcome { sample, tasks_us, ran: ran.collect() };
        let mut alerts = Vec::new();
        for output in result.outputs.values() {
            let read = Alerts::deserialize(output);
            alerts.extend(read.map_err(|e| Failure::failed(e).at("alerts"))?.alerts);
        }
        Ok((outcome, alerts))
    }
}
