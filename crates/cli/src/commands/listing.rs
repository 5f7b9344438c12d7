//! Whole lists of members, page after page, and many nodes asked one thing; both up to a bound.

use crate::failure::Done;
use futures::{StreamExt as _, stream};
use std::future::Future;
use trustmesh_api::{ListQuery, NodeView, Page, limits::PAGE_ENTRIES_MAX};
use trustmesh_client::{Client, ClientError};

/// Entries that a list shows at most.
const ENTRIES_MAX: usize = 10_000;
/// Nodes that are asked at the same time.
const AT_ONCE: usize = 64;

/// Asks for page after page.
pub async fn all<T, F>(page: impl Fn(ListQuery) -> F) -> Done<Vec<T>>
where
    F: Future<Output = Result<Page<T>, ClientError>>,
{
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let answer = page(ListQuery { limit: Some(PAGE_ENTRIES_MAX), after }).await?;
        items.extend(answer.items);
        after = answer.next;
        if after.is_none() || items.len() >= ENTRIES_MAX {
            return Ok(items);
        }
    }
}

/// Every node that the ledger knows.
pub async fn nodes(client: &Client) -> Done<Vec<NodeView>> {
    all(|query| async move { client.nodes(&query).await }).await
}

/// What each of them answers, in the order that they are named in.
pub async fn answers<F: Future>(asked: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    stream::iter(asked).buffered(AT_ONCE).collect().await
}
