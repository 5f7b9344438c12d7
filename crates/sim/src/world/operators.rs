//! What is done beside requests while a world runs: operators change things, devices cancel
//! requests and flood the ledger with notes.

use super::{device::Surroundings, mesh::Door, outbox};
use crate::scenario::{Operation, TimedOperation};
use commonware_runtime::{Clock as _, deterministic::Context};
use std::time::Duration;
use trustmesh_types::{AppId, Payload, SecretKey, records::AppState};

/// Nonces of what is sent here begin there: those of set-up lie below.
const NONCES_FROM: u64 = 1 << 32;
/// A door that takes nothing now is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// So often.
const TRIES: usize = 40;
/// Bytes of a note.
const NOTE_BYTES: usize = 256;
/// Notes handed over at a time.
const NOTES_AT_ONCE: usize = 64;

/// Does what the scenario's operators do, in order.
pub(crate) async fn play(context: Context, world: Surroundings) {
    let mut operations: Vec<&TimedOperation> = world.scenario.workload.operations.iter().collect();
    operations.sort_by_key(|timed| timed.after);
    let key = &world.cast.operator;
    for (nth, timed) in (0u64..).zip(operations) {
        context.sleep_until(world.ready + timed.after).await;
        let payload = match &timed.operation {
            Operation::Renew(node) => {
                if let Some(key) = world.cast.nodes.get(usize::from(*node)) {
                    send(&context, &world, key, 0, [(nth, Payload::Ready)]).await;
                }
                continue;
            }
            Operation::StopApp(app) => {
                Payload::SetAppState { app: app.clone(), wanted: AppState::Stopped }
            }
            Operation::StartApp(app) => {
                Payload::SetAppState { app: app.clone(), wanted: AppState::Running }
            }
            Operation::Create(workflow) => Payload::CreateWorkflow(workflow.clone()),
            Operation::Retire(workflow) => Payload::RetireWorkflow { workflow: workflow.clone() },
            Operation::Notes(device, count) => {
                if let Some(key) = world.cast.devices.get(usize::from(*device)) {
                    flood(&world, key, nth, *count).await;
                }
                continue;
            }
        };
        send(&context, &world, key, 0, [(nth, payload)]).await;
        if let Operation::StopApp(app) | Operation::StartApp(app) = &timed.operation {
            let running = matches!(timed.operation, Operation::StartApp(_));
            until(&context, &world, app, running).await;
        }
    }
}

/// Waits until an application is started or stopped on the ledger, as an operator does before
/// the next command: transactions that overtake each other would say the opposite.
async fn until(context: &Context, world: &Surroundings, app: &AppId, running: bool) {
    for _ in 0..TRIES * 2 {
        let doors = world.doors.up().into_iter().filter_map(|node| world.doors.of(node));
        let states = doors.filter_map(|door| door.ledger.state().app(app));
        if states.into_iter().any(|it| (it.wanted == AppState::Running) == running) {
            return;
        }
        context.sleep(AGAIN_AFTER).await;
    }
}

/// Brings payloads, with numbers that tell equal ones apart, to the nodes from `turn` on, until
/// more have taken them than may be faulty: one alone could lose them.
pub(super) async fn send(
    context: &Context,
    world: &Surroundings,
    key: &SecretKey,
    turn: usize,
    payloads: impl IntoIterator<Item = (u64, Payload)> + Send,
) {
    let payloads: Vec<(u64, Payload)> = payloads.into_iter().collect();
    let count = world.cast.nodes.len().max(1);
    let mut takers = 0;
    for nth in turn..turn + TRIES {
        if let Some(door) = world.doors.of(nth % count) {
            let signed = payloads.iter().map(|(number, payload)| {
                let nonce = NONCES_FROM + number;
                outbox::sign(key, world.cast.network, &door.ledger, nonce, payload.clone())
            });
            let outcomes = door.ledger.submit_many(signed.collect()).await;
            takers += usize::from(outcomes.iter().all(Result::is_ok));
        }
        if takers > world.scenario.tolerated() {
            return;
        }
        context.sleep(AGAIN_AFTER).await;
    }
}

/// Anchors notes through every node that is up, at once.
async fn flood(world: &Surroundings, key: &SecretKey, nth: u64, count: u32) {
    let doors: Vec<Door> = world.doors.up().iter().filter_map(|n| world.doors.of(*n)).collect();
    let numbers: Vec<u64> = (0..u64::from(count)).collect();
    for (chunk, door) in numbers.chunks(NOTES_AT_ONCE).zip(doors.iter().cycle()) {
        let signed = chunk.iter().map(|number| {
            let nonce = NONCES_FROM | nth << 40 | number;
            let mut bytes = vec![0; NOTE_BYTES];
            bytes.splice(..8, number.to_be_bytes());
            outbox::sign(key, world.cast.network, &door.ledger, nonce, Payload::Note { bytes })
        });
        // What the pool has no room for is the flooder's loss.
        let _ = door.ledger.submit_many(signed.collect()).await;
    }
}
