//! Getting a mesh ready through the ledger, as an operator does: artifacts published,
//! applications deployed, workflows created, devices registered; every node's resources
//! reported and every application running.

use super::{
    cast::Cast,
    driver::Local,
    mesh::{Door, Doors},
    outbox,
};
use crate::{apps::App, deviation::Deviation, error::SimError, scenario::Scenario};
use commonware_runtime::{Clock as _, deterministic::Context};
use commonware_utils::channel::oneshot;
use std::time::Duration;
use trustmesh_agent::Answer;
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Domain, Payload, PolicyId, PublicKey, codec,
    policy::{Policy, PolicyScope},
    records::{AppManifest, AppRecord, Condition},
    transaction::Deployment,
};

/// A mesh that is not ready by then never will be.
const LONGEST: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The first nonce of the operator.
const NONCES_FROM: u64 = 1;

fn failed(missing: String) -> SimError {
    SimError::Setup { seconds: LONGEST.as_secs(), missing }
}

/// Gets the mesh ready through the first honest node.
pub(crate) async fn prepare(
    context: &Context,
    scenario: &Scenario,
    cast: &Cast,
    doors: &Doors,
) -> Result<(), SimError> {
    let door = doors.honest(cast).ok_or_else(|| failed("an honest node".to_owned()))?;
    let mut payloads = Vec::new();
    for app in App::ALL {
        payloads.push(Payload::DeployApp(publish(context, cast, &door, app).await?));
    }
    payloads.extend(scenario.workload.workflows.iter().cloned().map(Payload::CreateWorkflow));
    payloads.extend(policies(scenario).map(Payload::SetPolicy));
    for (number, device) in cast.devices.iter().enumerate() {
        let name = format!("device-{number}");
        payloads.push(Payload::RegisterDevice { device: device.public(), name });
    }
    let signed = payloads.into_iter().zip(NONCES_FROM..).map(|(payload, nonce)| {
        outbox::sign(&cast.operator, cast.network, &door.ledger, nonce, payload)
    });
    for outcome in door.ledger.submit_many(signed.collect()).await {
        outcome.map_err(|error| failed(format!("a transaction: {error}")))?;
    }
    let until = context.current() + LONGEST;
    while let Some(missing) = missing(scenario, cast, doors) {
        if context.current() > until {
            return Err(failed(missing));
        }
        context.sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn publish(
    context: &Context,
    cast: &Cast,
    door: &Door,
    app: App,
) -> Result<Deployment, SimError> {
    let contents = app.contents().map_err(|e| failed(e.to_string()))?;
    let id = AppId::new(app.name()).map_err(|e| failed(e.to_string()))?;
    let manifest = AppManifest::module(id, &contents, app.requirements());
    let until = context.current() + LONGEST;
    let receipts = loop {
        let (reply, answer) = oneshot::channel();
        let contents = contents.clone();
        door.inbox
            .send(Local::Publish { contents, reply })
            .map_err(|_| failed("the node has ended".to_owned()))?;
        match answer.await {
            Ok(Answer::Published(receipts)) => break receipts,
            other if context.current() > until => {
                return Err(failed(format!("the artifact of {}: {other:?}", app.name())));
            }
            _ => context.sleep(LOOK_EVERY).await,
        }
    };
    let publisher_signature =
        cast.operator.sign(Domain::Artifact, &cast.network, &codec::encode(&manifest));
    Ok(Deployment { manifest, publisher_signature, receipts })
}

/// A rule of the network's own, where somebody is out to break it: the last node takes no
/// tasks.
fn policies(scenario: &Scenario) -> impl Iterator<Item = Policy> {
    let breaks = scenario.evil.iter().any(|(_, how)| *how == Deviation::PolicyBreaker);
    let last = scenario.nodes.saturating_sub(1);
    let policy = move || {
        Some(Policy {
            id: PolicyId::new("last-node-is-free").ok()?,
            scope: PolicyScope::Assignment,
            expression: format!("node.name != \"node-{last}\""),
            message: "the last node takes no tasks".to_owned(),
        })
    };
    breaks.then(policy).flatten().into_iter()
}

/// What is not there yet on some node.
fn missing(scenario: &Scenario, cast: &Cast, doors: &Doors) -> Option<String> {
    for node in doors.up() {
        let door = doors.of(node)?;
        if let Some(missing) = missing_on(&door.ledger.state(), scenario, cast) {
            return Some(format!("{missing} on node {node}"));
        }
    }
    None
}

fn runs_everywhere(state: &State, app: &AppRecord) -> bool {
    let said = state.app_conditions(app);
    let runs =
        |node: &PublicKey| said.get(node).is_some_and(|it| it.condition == Condition::Running);
    state.nodes().iter().filter(|node| node.info.roles.worker).all(|node| runs(&node.info.key))
}

fn missing_on(state: &State, scenario: &Scenario, cast: &Cast) -> Option<String> {
    let now_ms = state.timestamp_ms();
    if state.apps().count() < App::ALL.len() {
        return Some("applications".to_owned());
    }
    if state.workflows().count() < scenario.workload.workflows.len() {
        return Some("workflows".to_owned());
    }
    if state.devices().count() < cast.devices.len() {
        return Some("devices".to_owned());
    }
    if state.policies().count() < policies(scenario).count() {
        return Some("policies".to_owned());
    }
    if let Some(app) = state.apps().find(|app| !runs_everywhere(state, app)) {
        return Some(format!("application {} on every worker", app.manifest.id));
    }
    let live = state.nodes().iter().filter(|node| node.live(now_ms)).count();
    (live < cast.nodes.len()).then(|| "reports of resources".to_owned())
}
