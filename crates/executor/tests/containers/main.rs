//! The container runner on a real engine. Where none can run, each test says that it was
//! skipped.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, helpers included"
)]

mod behaviour;
mod images;
mod lives;

use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;
use trustmesh_executor::{
    ContainerConfig, ContainerError, ContainerRunner,
    container::{ContainerOutput, ImageFiles, InstanceSpec},
};
use trustmesh_types::Digest;

/// A runner with an image that is loaded, for a node of its own.
struct Case {
    runner: ContainerRunner,
    image: ImageFiles,
    _folder: TempDir,
}

/// The key of a node: hexadecimal, as keys are.
fn key(node: &str) -> String {
    Digest::of(node.as_bytes()).to_string()
}

fn config(socket: PathBuf, node: &str) -> ContainerConfig {
    ContainerConfig { socket: Some(socket), ..ContainerConfig::new("test", &key(node)) }
}

impl Case {
    async fn on(socket: PathBuf, node: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = images::image(folder.path(), node, true);
        let runner = ContainerRunner::new(config(socket, node));
        runner.begin();
        runner.load(&image).await.unwrap();
        Self { runner, image, _folder: folder }
    }

    /// The same for a test; `None` where no engine can run.
    async fn of(test: &str) -> Option<Self> {
        Some(Self::on(fixtures::engine(test)?, test).await)
    }

    fn spec(&self) -> InstanceSpec {
        InstanceSpec {
            app: "app".to_owned(),
            image: self.image.manifest,
            memory_bytes: 64 << 20,
            cpu_millis: 500,
            tmp_bytes: 4 << 20,
            volumes: Vec::new(),
            environment: Vec::new(),
            hosts: Vec::new(),
            start_timeout: Duration::from_secs(20),
        }
    }

    async fn start(&self) {
        self.runner.start(self.spec()).await.unwrap();
    }

    async fn call_for(
        &self,
        data: &str,
        timeout: Duration,
    ) -> Result<ContainerOutput, ContainerError> {
        let input = serde_json::json!({ "data": [data], "total_task_time": 0 }).to_string();
        self.runner.call("app", input.into(), timeout).await
    }

    async fn call(&self, data: &str) -> Result<ContainerOutput, ContainerError> {
        self.call_for(data, Duration::from_secs(20)).await
    }

    /// What the application says it did.
    async fn said(&self, data: &str) -> String {
        let output = self.call(data).await.unwrap();
        let said: Vec<String> = serde_json::from_slice(&output.data).unwrap();
        said[0].clone()
    }

    /// Ends what is on the engine.
    async fn end(self) {
        self.runner.stop("app", Duration::from_secs(1)).await.unwrap();
        self.runner.remove_image(&self.image.manifest).await.unwrap();
    }
}
