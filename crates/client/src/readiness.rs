//! Where an application runs, as the nodes say on the ledger.

use crate::{client::Client, error::ClientError};
use trustmesh_api::{AppView, ListQuery, NodeView, limits::PAGE_ENTRIES_MAX};
use trustmesh_types::{AppId, PublicKey, records::Condition};

/// On how many nodes an application runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Live workers that run it.
    pub ready: usize,
    /// Live workers that can't, and why.
    pub failed: Vec<(PublicKey, String)>,
    /// Live workers that shall run it.
    pub workers: usize,
}

impl Readiness {
    /// Whether there are workers, and all of them run it.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.workers > 0 && self.ready == self.workers
    }

    /// Whether every worker has said whether it runs it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.workers > 0 && self.ready + self.failed.len() == self.workers
    }
}

/// Whether a node shall run an application when it is live.
fn shall_run(node: &NodeView, app: &AppView) -> bool {
    let (info, manifest) = (&node.info, &app.record.manifest);
    node.live
        && !node.quarantined
        && info.roles.worker
        && info.runtimes.contains(&manifest.runtime)
        && manifest.is_for(&info.arch)
}

impl Client {
    /// Which live workers say that they run an application.
    ///
    /// # Errors
    /// [`ClientError`] when the application or the workers can't be read.
    pub async fn readiness(&self, app: &AppId) -> Result<Readiness, ClientError> {
        let app = self.app(app).await?;
        let mut readiness = Readiness { ready: 0, failed: Vec::new(), workers: 0 };
        let mut after = None;
        loop {
            let page = self.nodes(&ListQuery { limit: Some(PAGE_ENTRIES_MAX), after }).await?;
            for node in page.items.iter().filter(|node| shall_run(node, &app)) {
                readiness.workers += 1;
                match app.conditions.get(&node.info.key) {
                    Some(it) if it.condition == Condition::Running => readiness.ready += 1,
                    Some(it) => {
                        let why = it.note.clone().unwrap_or_default();
                        readiness.failed.push((node.info.key, why));
                    }
                    None => {}
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(readiness);
            }
        }
    }
}
