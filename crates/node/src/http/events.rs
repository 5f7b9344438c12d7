//! Events as they happen, server-sent (HTML standard, section 9.2).
//!
//! An event's id is `height-index`. A watcher that comes back with `last-event-id`, or asks
//! `?from=` a height, first gets what the history has since then. One that is too slow gets
//! an event `lagged` and the end of the stream, and comes back the same way.

use super::{
    app::{Shared, WatchPlace},
    extract::Asked,
    middleware::Peer,
    refusal::Refusal,
};
use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use trustmesh_api::EventView;
use trustmesh_state::Finalized;
use trustmesh_types::RequestId;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events to send.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    /// Only those of this request.
    #[serde(default)]
    request: Option<RequestId>,
    /// From this height on, as far as the history goes; new ones only when absent.
    #[serde(default)]
    from: Option<u64>,
}

/// A place in the stream: height, and index within its block.
type Place = (u64, usize);

struct Watcher {
    http: Shared,
    request: Option<RequestId>,
    /// The next place to send.
    next: Place,
    ready: VecDeque<Sent>,
    blocks: Receiver<Arc<Finalized>>,
    ended: bool,
    _place: WatchPlace,
}

pub(super) async fn events(
    State(http): State<Shared>,
    Extension(Peer(address)): Extension<Peer>,
    Asked(query): Asked<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let place = http.watch(address)?;
    let blocks = http.app.feed.subscribe();
    let last = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let new = http.app.history.height().saturating_add(1);
    let next = match (last, query.from) {
        (Some(text), _) => after(text)?,
        (None, Some(from)) => (from, 0),
        (None, None) => (new, 0),
    };
    let first = http.app.history.first_kept();
    let next = if next.0 < first { (first, 0) } else { next };
    let request = query.request;
    let ready = VecDeque::new();
    let watcher = Watcher { http, request, next, ready, blocks, ended: false, _place: place };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(sent(watcher)).keep_alive(keep_alive).into_response())
}

fn after(last: &str) -> Result<Place, Refusal> {
    let read = || {
        let (height, index) = last.split_once('-')?;
        Some((height.parse().ok()?, index.parse::<usize>().ok()?.checked_add(1)?))
    };
    read().ok_or_else(|| Refusal::parameter(LAST_EVENT_ID, "give the id of an event, height-index"))
}

fn sent(watcher: Watcher) -> impl Stream<Item = Result<Sent, Infallible>> {
    stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next_event().await?;
        Some((Ok(event), watcher))
    })
    .fuse()
}

impl Watcher {
    async fn next_event(&mut self) -> Option<Sent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if self.next.0 <= self.http.app.history.height() {
                self.recall();
                continue;
            }
            let stop = self.http.app.stop.clone();
            tokio::select! {
                () = stop.requested() => self.ended = true,
                block = self.blocks.recv() => match block {
                    Ok(block) => self.take(&block),
                    Err(RecvError::Lagged(_)) => self.end("lagged"),
                    Err(RecvError::Closed) => self.ended = true,
                },
            }
        }
    }

    /// Takes the next block's events from the history.
    fn recall(&mut self) {
        match self.http.app.history.events_at(self.next.0) {
            Ok(events) => self.add(self.next.0, events.unwrap_or_default()),
            Err(error) => {
                tracing::error!(%error, "events can't be read back");
                self.end("damaged");
            }
        }
    }

    fn take(&mut self, finalized: &Finalized) {
        let header = &finalized.block.header;
        // A block that the history gave already.
        if header.height < self.next.0 {
            return;
        }
        let (height, timestamp_ms) = (header.height, header.timestamp_ms);
        let view = |event| EventView { height, timestamp_ms, event };
        self.add(height, finalized.events.iter().cloned().map(view).collect());
    }

    fn add(&mut self, height: u64, events: Vec<EventView>) {
        let from = if height == self.next.0 { self.next.1 } else { 0 };
        for (index, event) in events.into_iter().enumerate().skip(from) {
            if self.request.as_ref().is_some_and(|wanted| event.event.request() != Some(wanted)) {
                continue;
            }
            match Sent::default().id(format!("{height}-{index}")).json_data(&event) {
                Ok(event) => self.ready.push_back(event),
                Err(error) => tracing::error!(%error, "an event has no JSON form"),
            }
        }
        self.next = (height.saturating_add(1), 0);
    }

    fn end(&mut self, why: &'static str) {
        self.ready.push_back(Sent::default().event(why).data("come back with last-event-id"));
        self.ended = true;
    }
}
