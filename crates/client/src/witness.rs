//! What the ledger holds of a request, without belief in any one node (S7).
//!
//! At most f of n ≥ 3f+1 validators are faulty, so a record that f+1 of them show alike is
//! the ledger's. Only genesis's validators count, each once and by its own TLS identity; the
//! node that delivered the result may be one of them. Nodes that don't vote may all be
//! faulty, so they say nothing here.
//!
//! f+1 validators are asked at once. Another one is asked as soon as one of them lags, fails
//! or tells another story than the rest, or is slow; those that lag are asked again until
//! the time is over.

use crate::{
    client::Client,
    error::{Attempt, ClientError},
    http::{Call, Connection},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use trustmesh_api::{RequestView, paths};
use trustmesh_types::{PublicKey, RequestId};

/// Shares of [`crate::Options::pause`] that the first wait for a lagging validator takes: it
/// is mostly one block behind, for some milliseconds.
const FIRST_PAUSE_DIVISOR: u32 = 8;

/// Once a result is here, its check may take this long even if the wait for it is over.
const GRACE: Duration = Duration::from_secs(1);

/// Whatever a client's options say, nobody is asked over and over without a pause.
const PAUSE_MIN: Duration = Duration::from_millis(40);

/// What validators show of one request, and how many must show the same.
#[derive(Debug)]
struct Tally {
    needed: usize,
    shown: BTreeMap<PublicKey, RequestView>,
}

impl Tally {
    const fn new(needed: usize) -> Self {
        Self { needed, shown: BTreeMap::new() }
    }

    /// Counts what `validator` shows, once. Gives the record as soon as enough agree on all
    /// of it but the history, which is every node's own.
    fn add(&mut self, validator: PublicKey, view: RequestView) -> Option<RequestView> {
        self.shown.entry(validator).or_insert(view);
        let enough = self.shown.values().find(|view| self.alike(view) >= self.needed);
        enough.cloned()
    }

    /// Validators in the largest group that agrees.
    fn most(&self) -> usize {
        self.shown.values().map(|view| self.alike(view)).max().unwrap_or(0)
    }

    fn alike(&self, view: &RequestView) -> usize {
        self.shown.values().filter(|other| same_record(view, other)).count()
    }
}

/// An error without the address, which stands beside it.
fn brief(error: ClientError) -> String {
    match error {
        ClientError::Unreachable { tried } => {
            tried.into_iter().map(|attempt| attempt.reason).collect::<Vec<_>>().join("; ")
        }
        ClientError::Refused { problem, .. } => format!("{} ({})", problem.detail, problem.code),
        other => other.to_string(),
    }
}

fn same_record(one: &RequestView, other: &RequestView) -> bool {
    // Who differed is read from the history, too.
    let bare = |view: &RequestView| {
        let mut view = RequestView { history: Vec::new(), ..view.clone() };
        view.tasks.iter_mut().for_each(|task| task.differing.clear());
        view
    };
    bare(one) == bare(other)
}

/// What came of asking one validator.
struct Answer {
    connection: Connection,
    /// How often it was asked before.
    turn: u32,
    view: Result<RequestView, ClientError>,
}

/// One request's record being asked for.
struct Inquiry<'a> {
    client: &'a Client,
    call: Call,
    asks: JoinSet<Answer>,
    fresh: VecDeque<Connection>,
    tally: Tally,
    /// The last thing that each validator without a say answered.
    without: BTreeMap<PublicKey, Attempt>,
}

impl Client {
    /// The ledger's record of an ended request, as f+1 validators show it. `holder` is asked
    /// among the first: it has the end already. Those that lag are asked again until `until`.
    ///
    /// # Errors
    /// [`ClientError::Unattested`] when fewer than f+1 show the same.
    pub(crate) async fn attested(
        &self,
        id: &RequestId,
        holder: &PublicKey,
        until: Instant,
    ) -> Result<RequestView, ClientError> {
        let until = until.max(Instant::now() + GRACE);
        let (validators, needed) = self.validators(holder).await?;
        let mut inquiry = Inquiry {
            client: self,
            call: self.call_get(paths::request(id)),
            asks: JoinSet::new(),
            fresh: validators.into(),
            tally: Tally::new(needed),
            without: BTreeMap::new(),
        };
        for _ in 0..needed {
            inquiry.ask_another();
        }
        match inquiry.run(until).await {
            Some(view) => Ok(view),
            None => Err(ClientError::Unattested {
                request: *id,
                needed,
                agreed: inquiry.tally.most(),
                answered: inquiry.tally.shown.len(),
                others: inquiry.without.into_values().collect(),
            }),
        }
    }
}

impl Inquiry<'_> {
    /// Until enough agree, or nobody is left to ask.
    async fn run(&mut self, until: Instant) -> Option<RequestView> {
        let patience = self.pause();
        while !self.asks.is_empty() {
            let joined = match tokio::time::timeout(patience, self.asks.join_next()).await {
                Ok(Some(Ok(answer))) => answer,
                // A slow one must not hold up the rest.
                Err(_) | Ok(Some(Err(_)) | None) => {
                    self.ask_another();
                    continue;
                }
            };
            let Answer { connection, turn, view } = joined;
            let node = connection.endpoint.node;
            match view {
                Ok(view) if view.status.ended() => {
                    self.without.remove(&node);
                    let agreed = self.tally.add(node, view);
                    if agreed.is_some() {
                        return agreed;
                    }
                    if self.tally.most() < self.tally.shown.len() {
                        self.ask_another();
                    }
                }
                view => {
                    let why = match view {
                        Ok(_) => "it says that the request has not ended".to_owned(),
                        Err(error) => brief(error),
                    };
                    let address = connection.endpoint.address.clone();
                    self.without.insert(node, Attempt { address, reason: why });
                    self.ask_another();
                    self.ask_again(connection, turn, until);
                }
            }
        }
        None
    }

    fn pause(&self) -> Duration {
        self.client.options().pause.max(PAUSE_MIN)
    }

    fn ask_another(&mut self) {
        if let Some(connection) = self.fresh.pop_front() {
            self.ask(connection, 0, Duration::ZERO);
        }
    }

    fn ask_again(&mut self, connection: Connection, turn: u32, until: Instant) {
        let pause = self.pause();
        let pause = pause.min((pause / FIRST_PAUSE_DIVISOR).saturating_mul(1 << turn.min(8)));
        if Instant::now() + pause < until {
            self.ask(connection, turn.saturating_add(1), pause);
        }
    }

    fn ask(&mut self, connection: Connection, turn: u32, after: Duration) {
        let (client, call) = (self.client.clone(), self.call.clone());
        self.asks.spawn(async move {
            tokio::time::sleep(after).await;
            let view = client.send_to::<RequestView>(&connection, &call).await.and_then(|given| {
                let address = connection.endpoint.address.clone();
                given.map_err(|problem| ClientError::Refused { address, problem: problem.into() })
            });
            Answer { connection, turn, view }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::finalized;
    use trustmesh_api::EventView;
    use trustmesh_types::{SecretKey, events::Event, records::Status};

    fn key(n: u8) -> PublicKey {
        SecretKey::from_seed([n; 32]).public()
    }

    fn view() -> RequestView {
        finalized().0
    }

    /// A record that a lying node made up: itself as the one that all was assigned to.
    fn invented() -> RequestView {
        let mut view = view();
        if let Some(plan) = &mut view.plan {
            plan.planner = key(3);
            plan.assignments.iter_mut().for_each(|a| a.nodes = vec![key(3)]);
        }
        view
    }

    #[test]
    fn one_validator_alone_is_not_believed_however_often_it_speaks() {
        let mut tally = Tally::new(2);
        assert_eq!(tally.add(key(3), invented()), None);
        assert_eq!(tally.add(key(3), invented()), None);
        assert_eq!(tally.most(), 1);
        // Nor may it vote for another one's record afterwards.
        assert_eq!(tally.add(key(1), view()), None);
        assert_eq!(tally.add(key(3), view()), None);
        assert_eq!(tally.add(key(2), view()), Some(view()));
    }

    #[test]
    fn the_record_counts_and_not_the_node_s_own_history() {
        let mut tally = Tally::new(2);
        let event = EventView {
            height: 1,
            timestamp_ms: 1,
            event: Event::RequestCancelled { request: view().id },
        };
        assert_eq!(tally.add(key(1), view()), None);
        let other = RequestView { history: vec![event], ..view() };
        assert!(tally.add(key(2), other).is_some_and(|agreed| agreed.status == Status::Finalized));
    }

    #[test]
    fn every_part_that_a_result_is_checked_against_must_agree() {
        type Bend = fn(&mut RequestView);
        let bends: [(&str, Bend); 6] = [
            ("status", |v| v.status = Status::Failed),
            ("designation", |v| v.plan.as_mut().unwrap().designation += 1),
            ("planner", |v| v.plan.as_mut().unwrap().planner = key(8)),
            ("assignments", |v| drop(v.plan.as_mut().unwrap().assignments.pop())),
            ("body", |v| v.body.nonce += 1),
            ("completions", |v| drop(v.completions.pop())),
        ];
        for (what, bend) in bends {
            let mut bent = view();
            bend(&mut bent);
            let mut tally = Tally::new(2);
            assert_eq!(tally.add(key(1), view()), None, "{what}");
            assert_eq!(tally.add(key(2), bent), None, "{what}");
            assert_eq!(tally.add(key(4), view()), Some(view()), "{what}");
        }
    }
}
