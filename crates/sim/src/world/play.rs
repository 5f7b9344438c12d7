//! The course of a world: get ready, let faults happen and devices ask, let the dust
//! settle, judge.

use super::{
    cast::Cast,
    clock,
    device::{self, Asked, Surroundings},
    mesh::Mesh,
    recorder::Recorder,
    setup,
};
use crate::{
    adversary,
    error::SimError,
    outcome::Outcome,
    scenario::{Scenario, Timed},
};
use commonware_runtime::{
    Clock as _, Runner as _, Spawner as _, Supervisor as _,
    deterministic::{self, Context},
};
use std::{sync::Arc, time::Duration};
use trustmesh_types::memory::Memory;

/// What one turn of the runtime's loop takes in virtual time: a task that passes work on
/// costs about this much. The runtime's default of 1 ms would double latencies.
const CYCLE: Duration = Duration::from_micros(50);
/// After the last request has ended: time for nodes that lag to catch up.
const SETTLE: Duration = Duration::from_secs(5);

/// Plays a scenario. Equal scenarios and seeds give equal outcomes, traces included.
///
/// # Errors
/// [`SimError`] when the world can't be built; what goes wrong in it stands in the outcome.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, SimError> {
    if let Some(what) = scenario.flaw() {
        return Err(SimError::Scenario { scenario: scenario.name.clone(), what });
    }
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_cycle(CYCLE)
        .with_start_time(clock::start());
    // Every node checks the same signatures: the process need check each once.
    let _memory = Memory::begin();
    deterministic::Runner::new(config).start(|context| play(context, scenario, seed))
}

async fn play(context: Context, scenario: &Scenario, seed: u64) -> Result<Outcome, SimError> {
    let cast = Cast::new(scenario, seed);
    let recorder = Recorder::default();
    let mut mesh = Mesh::new(&context, scenario, cast.clone(), recorder.clone()).await?;
    mesh.start_all().await?;
    setup::prepare(&context, scenario, &cast, &mesh.doors(), &recorder).await?;
    mesh.let_loose();

    let doors = mesh.doors();
    let world = Surroundings {
        scenario: Arc::new(scenario.clone()),
        cast: Arc::new(cast.clone()),
        doors: doors.clone(),
        recorder: recorder.clone(),
    };
    let devices: Vec<_> = (0..scenario.workload.requests)
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
    inject_all(&context, &mut mesh, &scenario.faults).await?;
    let mut asked: Vec<Asked> = Vec::with_capacity(devices.len());
    for device in devices {
        asked.extend(device.await.ok().flatten());
    }
    for outsider in outsiders {
        // It has nothing to say: what it got is a violation.
        let _ = outsider.await;
    }
    context.sleep(SETTLE).await;

    let up = doors.up();
    let ended_us = clock::at_us(&context);
    let auditor = context.auditor().state();
    let seen = recorder.seen();
    Ok(Outcome::judge(scenario, seed, &cast.genesis, &seen, &asked, &up, (ended_us, auditor)))
}

async fn inject_all(context: &Context, mesh: &mut Mesh, faults: &[Timed]) -> Result<(), SimError> {
    let ready = context.current();
    let mut faults: Vec<&Timed> = faults.iter().collect();
    faults.sort_by_key(|timed| timed.after);
    for timed in faults {
        context.sleep_until(ready + timed.after).await;
        mesh.inject(&timed.fault).await?;
    }
    Ok(())
}
