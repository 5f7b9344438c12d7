//! Waiting until the nodes have said that they run an application: no task goes to one before.

use crate::{
    failure::{Done, Failure},
    output::Progress,
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use trustmesh_client::{Client, Readiness};
use trustmesh_types::AppId;

/// For all nodes to make ready what was deployed; after that it goes on without them.
const PATIENCE: Duration = Duration::from_secs(60);
/// For a node that could run it to be live.
const PATIENCE_ANY: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Waits as [`wait`] does, for one application that somebody begins.
///
/// # Errors
/// [`Failure`] when no node runs it in the end: what was asked for stands on the ledger, and no
/// request will find a node.
pub async fn begun(client: &Client, app: &AppId, progress: &Progress) -> Done {
    wait(client, std::slice::from_ref(app), progress).await;
    match client.readiness(app).await {
        Ok(it) if it.ready == 0 => Err(nowhere(app, &it)),
        // What could not be seen was warned of.
        _ => Ok(()),
    }
}

fn nowhere(app: &AppId, seen: &Readiness) -> Failure {
    if seen.workers == 0 {
        let message = format!("no live node has the runtime and architecture of {app}");
        return Failure::failed(message).advise(
            "see `trustmesh node list`; `trustmesh node change NODE --runtimes wasm,container` \
             lets a node run containers, too",
        );
    }
    let (failed, of) = (seen.failed.len(), seen.workers);
    let message = format!("no node runs {app} yet: {failed} of {of} can't");
    Failure::failed(message).advise(format!("`trustmesh app show {app}` says why"))
}

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
    let since = Instant::now();
    loop {
        match client.readiness(app).await {
            Ok(it) if it.is_settled() => {
                for (node, why) in &it.failed {
                    let node = node.short();
                    progress.aside(|| eprintln!("warning: node {node} can't run {app}: {why}"));
                }
                return;
            }
            Ok(it) if it.workers == 0 && since.elapsed() > PATIENCE_ANY => return,
            Ok(it) => *seen = format!("nodes that run {app}: {} of {}", it.ready, it.workers),
            Err(error) => *seen = error.to_string(),
        }
        progress.say(seen);
        sleep(PAUSE).await;
    }
}
