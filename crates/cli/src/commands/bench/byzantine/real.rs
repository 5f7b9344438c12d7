//! The paper's two scenarios against a real mesh: malicious plans are signed with keys of its
//! nodes and brought to it as any member may, while honest requests run.
//!
//! Detection is what the attacker's side sees: from before its transaction is sent until it
//! hears that the transaction is final and refused as a fault. Recovery is by the ledger's own
//! times: from that block to the one in which the attacked request's plan is Active.

use crate::{
    commands::bench::{
        load::{self, Load},
        report::NodesUsage,
        usage,
    },
    failure::{Done, Failure},
    output::{Progress, Table},
    statistics::Percentiles,
};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_api::{Fate, RequestView};
use trustmesh_client::{Client, Device, SubmitSpec};
use trustmesh_types::{
    Payload, PublicKey, RequestId, SecretKey,
    events::Event,
    plan::{Assignment, Plan},
    receipt::Outcome,
    workflow::Workflow,
};

/// A request must have ended by then.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a malicious transaction may take to become final.
const FINAL_WITHIN: Duration = Duration::from_secs(10);
/// How long processors are watched under attack.
const WATCHED: Duration = Duration::from_secs(5);

/// What came of one scenario.
#[derive(Serialize)]
pub struct Scenario {
    /// Malicious plans that were sent.
    attacks: u32,
    /// Of those, refused as faults.
    detected: u32,
    detection_ms: Percentiles,
    recovery_ms: Percentiles,
    /// The most that any node used under attack.
    cpu: NodesUsage,
}

/// What came of both.
#[derive(Serialize)]
pub struct Real {
    /// Processes.
    pub nodes: u16,
    unauthorized: Scenario,
    interference: Scenario,
    /// Faults charged to nodes whose keys were not used to attack.
    false_positives: usize,
    lost_requests: u32,
}

impl Real {
    /// Whether something did not hold.
    pub fn broken(&self) -> bool {
        let all = [&self.unauthorized, &self.interference];
        let missed = all.iter().any(|it| it.detected < it.attacks);
        missed || self.false_positives > 0 || self.lost_requests > 0
    }

    /// The table's rows.
    pub fn rows(&self, table: &mut Table) {
        for (name, it) in [
            ("1 unauthorized plans, real", &self.unauthorized),
            ("2 interference with Active requests, real", &self.interference),
        ] {
            table.row([
                name.to_owned(),
                it.detection_ms.text(),
                it.recovery_ms.text(),
                format!("{} of {}", it.detected, it.attacks),
                self.false_positives.to_string(),
                format!("{:.0} %", it.cpu.cpu_percent_max),
            ]);
        }
    }
}

/// Attacks a mesh of so many processes, `iterations` times each way.
pub async fn measure(nodes: u16, iterations: u32) -> Done<Real> {
    load::measured(nodes, async |load| attack(nodes, iterations, load).await).await
}

async fn attack(nodes: u16, iterations: u32, load: &mut Load) -> Done<Real> {
    load.start(1).await?;
    let operator = load.mesh.operator()?;
    let held = operator.client().parameters().await?;
    // So that the attackers stay in play, however often they are charged.
    let lenient = trustmesh_types::genesis::Parameters { fault_limit: u32::MAX, ..held.parameters };
    operator.set_parameters(lenient, held.digest).await?;
    let key = load.keys.first().ok_or_else(|| Failure::failed("no device"))?.clone();
    let mut arena = Arena {
        client: load.mesh.client()?,
        device: Device::new(load.mesh.client()?, key),
        workflow: load.workflow.clone(),
        nodes: load.mesh.node_keys()?,
        serial: 0,
        attackers: Vec::new(),
        lost: 0,
    };
    let pids = load.mesh.pids();
    let unauthorized = arena.scenario(&pids, iterations, Kind::Unauthorized).await?;
    let interference = arena.scenario(&pids, iterations, Kind::Interference).await?;
    let faults = arena.client.nodes(&trustmesh_api::ListQuery::default()).await?.items;
    let charged = faults.iter().filter(|node| node.faults > 0).map(|node| node.info.key);
    let false_positives = charged.filter(|key| !arena.attackers.contains(key)).count();
    Ok(Real { nodes, unauthorized, interference, false_positives, lost_requests: arena.lost })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unauthorized,
    Interference,
}

struct Arena {
    client: Client,
    device: Device,
    workflow: Workflow,
    nodes: Vec<SecretKey>,
    serial: u32,
    attackers: Vec<PublicKey>,
    lost: u32,
}

/// One attack: how long until it was refused, and until the request had its plan.
struct Attack {
    detected_us: Option<u64>,
    recovered_us: Option<u64>,
}

impl Arena {
    async fn scenario(&mut self, pids: &[u32], iterations: u32, kind: Kind) -> Done<Scenario> {
        let progress = Progress::bar(iterations.into(), "attacks");
        let mut all = Vec::new();
        let watched = pids.to_vec();
        let watching = tokio::spawn(async move { usage::over(&watched, WATCHED).await });
        for _ in 0..iterations {
            all.push(self.attack(kind).await?);
            progress.step();
        }
        let cpu = NodesUsage::of(watching.await.map_err(Failure::failed)??);
        let detected = all.iter().filter(|it| it.detected_us.is_some()).count();
        Ok(Scenario {
            attacks: iterations,
            detected: u32::try_from(detected).unwrap_or(u32::MAX),
            detection_ms: Percentiles::of(all.iter().filter_map(|it| it.detected_us)),
            recovery_ms: Percentiles::of(all.iter().filter_map(|it| it.recovered_us)),
            cpu,
        })
    }

    async fn attack(&mut self, kind: Kind) -> Done<Attack> {
        let earlier = match kind {
            Kind::Unauthorized => None,
            Kind::Interference => Some(self.ask().await?),
        };
        let fresh = self.ask().await?;
        let seen = self.client.request(&fresh).await?;
        let designee = designee(&seen);
        // Scenario 1: a node that is not designated. Scenario 2: the designated node of the new
        // request, for the earlier one; where that one designated it too, it would only be late.
        let target = match earlier {
            None => seen,
            Some(earlier) => self.client.request(&earlier).await?,
        };
        let own = self::designee(&target);
        let wanted = |key: &&SecretKey| match kind {
            Kind::Unauthorized => Some(key.public()) != designee,
            Kind::Interference => Some(key.public()) == designee && designee != own,
        };
        let other = |key: &&SecretKey| Some(key.public()) != own;
        let found = self.nodes.iter().find(wanted).or_else(|| self.nodes.iter().find(other));
        let attacker = found.ok_or_else(|| Failure::failed("no node could attack"))?.clone();
        if !self.attackers.contains(&attacker.public()) {
            self.attackers.push(attacker.public());
        }
        let (detected_us, height) = self.strike(&attacker, &target).await?;
        for id in earlier.into_iter().chain([fresh]) {
            if self.device.result(&id, DEADLINE).await.is_err() {
                self.lost += 1;
            }
        }
        let recovered_us = match height {
            Some(height) => self.recovery_us(&fresh, height).await?,
            None => None,
        };
        Ok(Attack { detected_us, recovered_us })
    }

    /// Sends a plan of `attacker` for a request; how long until it was refused as a fault, and
    /// the block that did.
    async fn strike(
        &self,
        attacker: &SecretKey,
        target: &RequestView,
    ) -> Done<(Option<u64>, Option<u64>)> {
        let levels = self.workflow.levels().unwrap_or_default();
        let assignments = self.workflow.tasks.iter().map(|task| Assignment {
            task: task.id.clone(),
            level: levels.get(&task.id).copied().unwrap_or(0),
            nodes: vec![attacker.public()],
        });
        let plan = Plan {
            request: target.id,
            designation: target.designation,
            made_at: self.client.status().await?.height,
            assignments: assignments.collect(),
        };
        let transaction = self.client.sign(attacker, Payload::ConfirmSchedule(plan)).await?;
        let sent = Instant::now();
        let all = self.client.submit_transactions(&[transaction], FINAL_WITHIN).await?;
        let took_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(match all.into_iter().next().map(|it| it.fate) {
            Some(Fate::Included { height, result: Outcome::Rejected(it) }) if it.fault => {
                (Some(took_us), Some(height))
            }
            _ => (None, None),
        })
    }

    async fn ask(&mut self) -> Done<RequestId> {
        self.serial += 1;
        let data = json!({ "serial": self.serial });
        let workflow = self.workflow.id.clone();
        let spec = SubmitSpec { workflow, data, deadline: DEADLINE, persist: false };
        Ok(self.device.submit(spec).await?)
    }

    /// From a block's time to that of the request's plan; none when that was Active before.
    async fn recovery_us(&self, request: &RequestId, height: u64) -> Done<Option<u64>> {
        let detected_ms = self.client.block(height).await?.header.timestamp_ms;
        let history = self.client.request(request).await?.history;
        let mut confirmed = history
            .iter()
            .filter(|it| matches!(it.event, Event::PlanConfirmed { .. }))
            .map(|it| it.timestamp_ms);
        Ok(confirmed
            .next_back()
            .map(|at_ms| at_ms.saturating_sub(detected_ms).saturating_mul(1_000)))
    }
}

/// The node that a request's last designation named.
fn designee(view: &RequestView) -> Option<PublicKey> {
    let named = view.history.iter().rev().find_map(|it| match &it.event {
        Event::Designated { node, .. } => Some(*node),
        _ => None,
    });
    named.or_else(|| view.designated.as_ref().map(|it| it.node))
}
