//! A constant load: so many requests per second, each followed to its end.
//!
//! Invariant: what a node has accepted ends as right, wrong or lost; nothing is left out.
//! Every wait has an end.

use super::work;
use crate::{
    failure::{Done, Failure},
    output::Progress,
};
use cold_chain::Window;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use trustmesh_client::{ClientError, Device, SubmitSpec};

/// A request must have ended by then, restarts of all nodes included.
const DEADLINE: Duration = Duration::from_secs(120);
/// And its result must be there a little later.
const GRACE: Duration = Duration::from_secs(30);
/// Between two tries of a device that no node answered.
const PAUSE: Duration = Duration::from_millis(200);
/// Requests on their way at the same time; what is due beyond them is left out, and counted.
const IN_FLIGHT_MAX: usize = 256;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// With the result that it must have.
    Right,
    /// With another one.
    Wrong(String),
    /// Accepted, and without a result.
    Lost(String),
    /// No node accepted it in its time: nothing was promised.
    NotAccepted(String),
}

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its number.
    pub serial: u64,
    /// When its device made it.
    pub made: Instant,
    /// When it ended.
    pub ended: Instant,
    /// How.
    pub fate: Fate,
}

/// What came of the load.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The requests, as they ended.
    pub all: Vec<Ended>,
    /// Requests that were due while too many were on their way.
    pub left_out: u64,
}

/// Keeps up the load until it is told to stop, then follows what is on its way to its end.
pub async fn run(
    devices: Vec<Device>,
    per_second: f64,
    seed: u64,
    mut stop: watch::Receiver<bool>,
) -> Done<Traffic> {
    let period = Duration::try_from_secs_f64(1.0 / per_second).map_err(Failure::usage)?;
    let mut clock = tokio::time::interval(period.max(Duration::from_millis(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let devices: Vec<Arc<Device>> = devices.into_iter().map(Arc::new).collect();
    let (mut traffic, mut running) = (Traffic::default(), JoinSet::new());
    for (serial, device) in (0_u64..).zip(devices.iter().cycle()) {
        let stopped = loop {
            tokio::select! {
                // An error means that whoever stops is gone.
                _ = stop.wait_for(|stop| *stop) => break true,
                _ = clock.tick() => break false,
                Some(ended) = running.join_next() => traffic.all.push(ended.map_err(Failure::failed)?),
            }
        };
        if stopped {
            break;
        }
        if running.len() >= IN_FLIGHT_MAX {
            traffic.left_out += 1;
            continue;
        }
        let (device, window) = (Arc::clone(device), work::window(seed, serial));
        running.spawn(async move { follow(&device, serial, &window).await });
    }
    let _waiting = Progress::spinner("waiting for the last results");
    while let Some(ended) = running.join_next().await {
        traffic.all.push(ended.map_err(Failure::failed)?);
    }
    Ok(traffic)
}

/// One request from its making to its end.
async fn follow(device: &Device, serial: u64, window: &Window) -> Ended {
    let made = Instant::now();
    let fate = match ask(device, window, made).await {
        Ok(fate) => fate,
        Err(failure) => Fate::NotAccepted(failure.to_string()),
    };
    Ended { serial, made, ended: Instant::now(), fate }
}

async fn ask(device: &Device, window: &Window, made: Instant) -> Done<Fate> {
    let (data, expected) = (work::data(window)?, work::expected(window)?);
    let spec = SubmitSpec { workflow: work::name()?, data, deadline: DEADLINE, persist: false };
    // The same request again and again: it counts once, whoever accepted it.
    let request = device.prepare(spec)?;
    let id = loop {
        match device.send(&request).await {
            Ok(id) => break id,
            Err(error) if passes(&error) && made.elapsed() < DEADLINE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Ok(Fate::NotAccepted(error.to_string())),
        }
    };
    loop {
        let left = (DEADLINE + GRACE).saturating_sub(made.elapsed());
        match device.result(&id, left).await {
            Ok(checked) => {
                let wrong = work::difference(&expected, &checked.outputs);
                return Ok(wrong.map_or(Fate::Right, |what| Fate::Wrong(format!("{id}: {what}"))));
            }
            Err(error) if passes(&error) && !left.is_zero() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Ok(Fate::Lost(format!("{id}: {error}"))),
        }
    }
}

/// Whether the same call may do better in a while.
const fn passes(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Unreachable { .. }
            | ClientError::Limited { .. }
            | ClientError::Unattested { .. }
            | ClientError::Pending { .. }
    )
}
