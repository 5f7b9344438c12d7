//! Waiting until the nodes have compiled an application, so that its first task need not wait.

use crate::output::Progress;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use trustmesh_client::Client;
use trustmesh_types::AppId;

/// For all nodes to compile what was deployed; after that it goes on without them.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Waits until all live workers have these applications compiled. When that takes too long, a
/// warning says so: the applications can be used all the same.
pub async fn wait(client: &Client, apps: &[AppId], progress: &Progress) {
    let until = Instant::now() + PATIENCE;
    for app in apps {
        let mut seen = "no node answered".to_owned();
        let ready = one(client, app, progress, &mut seen);
        if timeout_at(until, ready).await.is_err() {
            let waited = PATIENCE.as_secs();
            progress.aside(|| {
                eprintln!(
                    "warning: {seen}, after {waited} s; its first task on another one waits for that"
                );
            });
            return;
        }
    }
}

async fn one(client: &Client, app: &AppId, progress: &Progress, seen: &mut String) {
    loop {
        match client.readiness(app).await {
            Ok(it) if it.is_full() => return,
            Ok(it) => {
                *seen = format!("nodes that have compiled {app}: {} of {}", it.ready, it.workers)
            }
            Err(error) => *seen = error.to_string(),
        }
        progress.say(seen);
        sleep(PAUSE).await;
    }
}
