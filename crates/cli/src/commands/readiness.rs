//! Waiting until the nodes have said that they run an application: no task goes to one before.

use crate::output::Progress;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use trustmesh_client::Client;
use trustmesh_types::AppId;

/// For all nodes to make ready what was deployed; after that it goes on without them.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Waits until all live workers have said whether they run these applications. Where one can't,
/// or that takes too long, a warning says so: they can be used on the others.
pub async fn wait(client: &Client, apps: &[AppId], progress: &Progress) {
    let until = Instant::now() + PATIENCE;
    for app in apps {
        let mut seen = "no node answered".to_owned();
        let ready = one(client, app, progress, &mut seen);
        if timeout_at(until, ready).await.is_err() {
            let waited = PATIENCE.as_secs();
            progress.aside(|| {
                eprintln!("warning: {seen}, after {waited} s; tasks go to those alone");
            });
            return;
        }
    }
}

async fn one(client: &Client, app: &AppId, progress: &Progress, seen: &mut String) {
    loop {
        match client.readiness(app).await {
            Ok(it) if it.is_settled() => {
                for (node, why) in &it.failed {
                    let node = node.short();
                    progress.aside(|| eprintln!("warning: node {node} can't run {app}: {why}"));
                }
                return;
            }
            Ok(it) => *seen = format!("nodes that run {app}: {} of {}", it.ready, it.workers),
            Err(error) => *seen = error.to_string(),
        }
        progress.say(seen);
        sleep(PAUSE).await;
    }
}
