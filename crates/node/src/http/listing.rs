//! Lists in pages, by the text form of their entries' keys.

use trustmesh_api::{ListQuery, Page, page};

/// A page of entries that come in the order of their keys.
pub(super) fn page<T>(
    entries: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    query: &ListQuery,
) -> Page<T> {
    let limit = page::entries(query.limit);
    let after = query.after.as_deref();
    let mut rest =
        entries.skip_while(|entry| after.is_some_and(|after| key(entry).as_str() <= after));
    let items: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| items.last().map(&key));
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let (mut query, mut seen) = (ListQuery { limit: Some(2), after: None }, Vec::new());
        loop {
            let page = page(["a", "b", "c", "d", "e"].into_iter(), |e| (*e).to_owned(), &query);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
