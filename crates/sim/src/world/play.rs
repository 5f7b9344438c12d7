//! The course of a world: get ready, let faults happen and devices ask, let the dust
//! settle, judge. The first violation ends it.

use super::{
    cast::Cast,
    clock,
    device::{self, Asked, Surroundings},
    mesh::{Doors, Mesh},
    operators,
    recorder::{Recorder, Wire},
    setup,
    timeline::Timeline,
};
use crate::{
    adversary,
    error::SimError,
    oracle::{Close, Court},
    outcome::Outcome,
    scenario::{Scenario, Timed},
};
use commonware_macros::select;
use commonware_runtime::{
    Clock as _, Handle as Task, Runner as _, Spawner as _, Supervisor as _,
    deterministic::{self, Context},
};
use std::{sync::Arc, time::Duration};
use trustmesh_consensus::SharedBlocks;
use trustmesh_types::memory::Memory;

/// What one turn of the runtime's loop takes in virtual time: a task that passes work on
/// costs about this much. The runtime's default of 1 ms would double latencies.
const CYCLE: Duration = Duration::from_micros(50);
/// After the last request has ended: nodes that lag have caught up by then, or never will.
const SETTLE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was seen of a world that is over.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) outcome: Outcome,
    /// The times of plans.
    pub(crate) timeline: Timeline,
    /// When each request was sent and when its device had the result, in order of sending.
    pub(crate) wires: Vec<Vec<Wire>>,
}

/// Plays a scenario. Equal scenarios and seeds give equal outcomes, traces included.
///
/// # Errors
/// [`SimError`] when the world can't be built; what goes wrong in it stands in the outcome.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, SimError> {
    watch(scenario, seed).map(|watched| watched.outcome)
}

/// The same; gives more of what was seen.
pub(crate) fn watch(scenario: &Scenario, seed: u64) -> Result<Watched, SimError> {
    if let Some(what) = scenario.flaw() {
        return Err(SimError::Scenario { scenario: scenario.name.clone(), what });
    }
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_cycle(CYCLE)
        .with_start_time(clock::start());
    // Every node checks the same signatures and holds the same blocks: once in the process will do.
    let (_memory, _blocks) = (Memory::begin(), SharedBlocks::begin());
    deterministic::Runner::new(config).start(|context| play(context, scenario, seed))
}

async fn play(context: Context, scenario: &Scenario, seed: u64) -> Result<Watched, SimError> {
    let cast = Cast::new(scenario, seed);
    let (recorder, broken) = Recorder::new(court(scenario, &cast));
    let mut mesh = Mesh::new(&context, scenario, cast.clone(), recorder.clone())?;
    mesh.start_all().await?;
    setup::prepare(&context, scenario, &cast, &mesh.doors()).await?;
    mesh.let_loose();

    let doors = mesh.doors();
    let world = Surroundings {
        scenario: Arc::new(scenario.clone()),
        cast: Arc::new(cast.clone()),
        doors: doors.clone(),
        recorder: recorder.clone(),
        ready: context.current(),
    };
    let workload = &scenario.workload;
    let devices: Vec<_> = (0..workload.requests.saturating_add(workload.probes))
        .map(|number| {
            let world = world.clone();
            let context = context.child("device").with_attribute("request", number);
            context.spawn(move |context| device::play(context, world, number))
        })
        .collect();
    let mut outsiders = Vec::with_capacity(scenario.outsiders.len());
    for who in scenario.outsiders.iter().copied() {
        let (cast, doors, recorder) = (cast.clone(), doors.clone(), recorder.clone());
        let context = context.child("outsider").with_attribute("who", who.name());
        outsiders.push(
            context.spawn(move |context| adversary::intrude(context, cast, doors, recorder, who)),
        );
    }
    context.child("operators").spawn(move |context| operators::play(context, world));
    let mut asked: Vec<Asked> = Vec::with_capacity(devices.len());
    let mut failed = Ok(());
    select! {
        done = course(&context, scenario, &mut mesh, (devices, outsiders), &mut asked) => failed = done,
        _ = broken => {},
    }
    failed?;

    let honest_up = honest_up(&doors, &recorder);
    let ended_us = clock::at_us(&context);
    let auditor = context.auditor().state();
    let mut seen = recorder.seen();
    let height = seen.court.chain().height();
    let mut newest = honest_up.iter().filter_map(|node| seen.states.get(node));
    let newest = newest.rfind(|state| state.height() == height).cloned();
    let close = Close { scenario, newest: newest.as_ref(), asked: &asked, up: &honest_up };
    seen.court.close(&close);
    let outcome = Outcome::of(scenario, seed, &seen, &asked, (ended_us, auditor));
    let wires = asked.iter().filter_map(|one| seen.wire.get(&one.id).cloned()).collect();
    Ok(Watched { outcome, timeline: std::mem::take(&mut seen.timeline), wires })
}

fn court(scenario: &Scenario, cast: &Cast) -> Court {
    let nodes: Vec<_> = cast.nodes.iter().map(trustmesh_types::SecretKey::public).collect();
    let evil = scenario.evil.iter().filter_map(|(node, _)| nodes.get(*node)).copied().collect();
    Court::new(&cast.genesis, nodes, evil)
}

/// Faults and requests, from the first to the last; then until nobody honest lags.
async fn course(
    context: &Context,
    scenario: &Scenario,
    mesh: &mut Mesh,
    (devices, outsiders): (Vec<Task<Option<Asked>>>, Vec<Task<()>>),
    asked: &mut Vec<Asked>,
) -> Result<(), SimError> {
    inject_all(context, mesh, scenario).await?;
    for device in devices {
        asked.extend(device.await.ok().flatten());
    }
    for outsider in outsiders {
        // It has nothing to say: what it got is a violation.
        let _ = outsider.await;
    }
    mesh.check_inputs(&scenario.lost());
    let until = context.current() + SETTLE;
    while context.current() < until && !mesh.settled() {
        context.sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn inject_all(
    context: &Context,
    mesh: &mut Mesh,
    scenario: &Scenario,
) -> Result<(), SimError> {
    let ready = context.current();
    let mut faults: Vec<&Timed> = scenario.faults.iter().collect();
    faults.sort_by_key(|timed| timed.after);
    let lost = scenario.lost();
    for timed in faults {
        context.sleep_until(ready + timed.after).await;
        mesh.inject(&timed.fault).await?;
        mesh.check_inputs(&lost);
    }
    Ok(())
}

fn honest_up(doors: &Doors, recorder: &Recorder) -> Vec<usize> {
    let seen = recorder.seen();
    doors.up().into_iter().filter(|node| !seen.court.is_evil(*node)).collect()
}
