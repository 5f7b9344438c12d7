//! Which nodes have an application ready to run. Each node answers for itself, so each is
//! asked.

use crate::{client::Client, error::ClientError};
use std::time::Duration;
use tokio::task::JoinSet;
use trustmesh_api::{AppView, ListQuery, NodeView, limits::PAGE_ENTRIES_MAX, paths};
use trustmesh_types::{AppId, PublicKey};

/// For the answer of one node. One that is slower is busy, and counts as not ready.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How many nodes have an application ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Workers that have it ready.
    pub ready: usize,
    /// Live workers.
    pub workers: usize,
}

impl Readiness {
    /// Whether there are workers, and all of them have it ready.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.workers > 0 && self.ready == self.workers
    }
}

impl Client {
    /// Asks every live worker once whether it has an application ready. One that does not
    /// answer, or has not heard of the application yet, does not have it.
    ///
    /// # Errors
    /// [`ClientError`] when the workers can't be listed.
    pub async fn readiness(&self, app: &AppId) -> Result<Readiness, ClientError> {
        let workers = self.live_workers().await?;
        let mut asked = JoinSet::new();
        for node in &workers {
            let (client, node, app) = (self.clone(), *node, app.clone());
            asked.spawn(async move { client.is_ready_at(&node, &app).await });
        }
        let mut ready = 0;
        while let Some(answer) = asked.join_next().await {
            ready += usize::from(answer.unwrap_or(false));
        }
        Ok(Readiness { ready, workers: workers.len() })
    }

    async fn live_workers(&self) -> Result<Vec<PublicKey>, ClientError> {
        let mut workers = Vec::new();
        let mut after = None;
        loop {
            let page = self.nodes(&ListQuery { limit: Some(PAGE_ENTRIES_MAX), after }).await?;
            let works = |node: &&NodeView| node.live && !node.quarantined && node.info.roles.worker;
            workers.extend(page.items.iter().filter(works).map(|node| node.info.key));
            after = page.next;
            if after.is_none() {
                return Ok(workers);
            }
        }
    }

    async fn is_ready_at(&self, node: &PublicKey, app: &AppId) -> bool {
        let Ok(connection) = self.connection_to(node).await else { return false };
        let mut call = self.call_get(paths::entry(paths::APPS, app));
        call.timeout = ANSWER_TIMEOUT;
        let answer: Result<Result<AppView, _>, _> = self.send_to(&connection, &call).await;
        matches!(answer, Ok(Ok(view)) if view.ready_here)
    }
}
