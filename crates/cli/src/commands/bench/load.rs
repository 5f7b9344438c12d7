//! The mesh and the requests that the benchmarks use: three stages that pass their data
//! on, so that nearly all of a request's time is the framework's.

use crate::{
    commands::{
        interrupt::interruptible,
        mesh::{Mesh, MeshOptions, Unusual},
        setup,
    },
    failure::{Done, Failure},
    output::Progress,
    statistics::Sample,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_client::{Device, SubmitSpec};
use trustmesh_node::keystore;
use trustmesh_types::{SecretKey, workflow::Workflow};

/// A request must have ended by then.
const DEADLINE: Duration = Duration::from_secs(60);
/// Registrations on their way at the same time.
const REGISTRATIONS: usize = 64;

/// A mesh to be measured.
pub struct Load {
    /// The mesh.
    pub mesh: Mesh,
    /// Its workflow.
    pub workflow: Workflow,
    /// Keys of registered devices.
    pub keys: Vec<SecretKey>,
}

/// Measures on a mesh of so many nodes, and stops it whatever comes of it.
pub async fn measured<T>(nodes: u16, measure: impl AsyncFnOnce(&mut Load) -> Done<T>) -> Done<T> {
    measured_on(nodes, Unusual::default(), measure).await
}

/// [`measured`], on a mesh that is not quite as usual.
pub async fn measured_on<T>(
    nodes: u16,
    unusual: Unusual,
    measure: impl AsyncFnOnce(&mut Load) -> Done<T>,
) -> Done<T> {
    let mut load = Load::new(nodes, unusual)?;
    let measured = interruptible(measure(&mut load)).await;
    load.mesh.stop().await?;
    measured
}

impl Load {
    /// A mesh that is not started yet.
    fn new(nodes: u16, unusual: Unusual) -> Done<Self> {
        let options =
            MeshOptions { purpose: "bench", nodes: nodes.into(), detached: false, unusual };
        let stage = |id| (id, "noop", json!({}));
        let stages = [stage("first"), stage("second"), stage("third")];
        Ok(Self {
            mesh: Mesh::new(options)?,
            workflow: setup::chain("three-noops", &stages, Duration::from_secs(10))?,
            keys: Vec::new(),
        })
    }

    /// Starts it, with `noop`, a chain of three of it, and `devices` devices.
    pub async fn start(&mut self, devices: u16) -> Done {
        self.mesh.start().await?;
        let progress = Progress::spinner("setting up");
        let operator = self.mesh.operator()?;
        setup::deploy(&operator, "noop", samples::NOOP).await?;
        setup::create_workflow(&operator, &self.workflow).await?;
        setup::ready(&operator, &["noop"], &progress).await?;

        progress.say(&format!("registering {devices} devices"));
        let operator = &operator;
        let register = |index: u16| async move {
            let key = keystore::random().map_err(Failure::failed)?;
            operator.register_device(key.public(), &format!("device-{index}")).await?;
            Done::Ok(key)
        };
        let keys = stream::iter(0..devices).map(register).buffer_unordered(REGISTRATIONS);
        self.keys = keys.try_collect().await?;
        Ok(())
    }

    /// One request, from before its submission to its checked result.
    pub async fn ask(&self, device: &Device, serial: u32) -> Done<Sample> {
        let data = json!({ "serial": serial, "temperature": 5.2, "humidity": 60.0 });
        let workflow = self.workflow.id.clone();
        let start = Instant::now();
        let spec = SubmitSpec { workflow, data, deadline: DEADLINE, persist: false };
        let request = device.submit(spec).await?;
        let result = device.result(&request, DEADLINE).await?;
        let round_trip_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Sample { round_trip_us, task_us: result.view.critical_path_us(&self.workflow) })
    }
}
