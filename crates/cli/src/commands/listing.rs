//! Whole lists of members: page after page, up to a bound.

use crate::failure::Done;
use std::future::Future;
use trustmesh_api::{ListQuery, Page, limits::PAGE_ENTRIES_MAX};
use trustmesh_client::ClientError;

/// Entries that a list shows at most.
const ENTRIES_MAX: usize = 10_000;

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
