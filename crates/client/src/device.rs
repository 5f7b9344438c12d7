//! A device: submits data to a workflow and takes its result.
//!
//! Its one key file serves for both keys: it signs with ed25519, and the X25519 key that
//! results are sealed to is derived from the same seed, by a digest that tells nothing of it.

use crate::{
    check::{self, Unbelievable},
    client::{Client, passes},
    error::{Attempt, ClientError},
    http::Connection,
    outside,
    transact::Included,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use trustmesh_api::{
    Accepted, ErrorCode, RequestView, ResultBundle, SealedResult, SubmitRequest, auth, paths,
};
use trustmesh_delivery::{ResultSecret, Sealed};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, SecretKey, TaskId, WorkflowId, canonical,
    reject::RejectCode,
    request::{Endpoint, RequestBody},
};
use zeroize::Zeroizing;

/// One wait of a long poll; what is left is waited for by the next.
const POLL: Duration = Duration::from_secs(10);
/// A node that does not know the request may be this far behind the one that accepted it.
const LAG: Duration = Duration::from_secs(5);
/// Longest wait for a result; requests live shorter.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most nodes asked for a result in one round.
const HOLDERS_MAX: usize = 16;
/// How far a node's clock may be ahead of this one's, when it says that a deadline has passed.
const CLOCK_SKEW_MS: u64 = 1_000;
/// For the nodes to accept a request: collecting receipts and finality included.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a device wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct SubmitSpec {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The data for its source tasks.
    pub data: Value,
    /// How long it may take.
    pub deadline: Duration,
    /// Whether input and outputs are kept after the request ends.
    pub persist: bool,
}

/// A result that was opened and checked ([`check`]), and what the ledger says of its making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Output of every sink.
    pub outputs: BTreeMap<TaskId, Value>,
    /// The ledger's record of the request, as f+1 validators show it; its history is one node's.
    pub view: RequestView,
    /// The node that delivered.
    pub holder: PublicKey,
}

/// A device's key, and the network.
#[derive(Debug, Clone)]
pub struct Device {
    client: Client,
    key: SecretKey,
    result_secret: ResultSecret,
}

/// What asking one node for a result gave.
enum Pulled {
    Result(SealedResult),
    NotYet,
    Elsewhere(Vec<PublicKey>),
}

/// What asking every node once gave.
enum Round {
    Done(Box<Checked>),
    /// Nothing yet; with the reason, where it is not just that the request runs.
    Again(Option<ClientError>),
}

impl Device {
    /// A device of a network.
    #[must_use]
    pub fn new(client: Client, key: SecretKey) -> Self {
        let seed = Zeroizing::new(
            Digest::of_parts(&[b"trustmesh result key v1", key.seed().as_slice()]).0,
        );
        Self { client, key, result_secret: ResultSecret::from_bytes(*seed) }
    }

    /// The network.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The device's public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Makes and signs a request. Its id is known before it is sent.
    ///
    /// # Errors
    /// [`ClientError::Local`] when the data has no canonical form.
    pub fn prepare(&self, spec: SubmitSpec) -> Result<SubmitRequest, ClientError> {
        let bytes = canonical::to_canonical(&spec.data)
            .map_err(|e| ClientError::Local { what: format!("the data: {e}") })?;
        let deadline_ms = u64::try_from(spec.deadline.as_millis()).unwrap_or(u64::MAX);
        let body = RequestBody {
            network: self.client.network(),
            device: self.key.public(),
            nonce: outside::nonce()?,
            workflow: spec.workflow,
            input: Digest::of(&bytes),
            input_bytes: bytes.len() as u64,
            result_key: Digest(self.result_secret.public()),
            endpoint: Endpoint::Pull,
            persist: spec.persist,
            deadline_ms: outside::now_ms().saturating_add(deadline_ms),
        };
        let signature = body.sign(&self.key);
        Ok(SubmitRequest { body, signature, data: spec.data })
    }

    /// Sends a prepared request until a node accepts it. Safe to call again with the same:
    /// it counts once.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the ledger's or the node's reason,
    /// [`ClientError::TooLate`] when the deadline passed before a node could accept it.
    pub async fn send(&self, request: &SubmitRequest) -> Result<RequestId, ClientError> {
        let id = request.body.id();
        let mut call = self.client.call_post(paths::REQUESTS.to_owned(), request)?;
        call.timeout = SUBMIT_TIMEOUT;
        let mut tried = Vec::new();
        let sent = self.client.send_noting(&call, &mut tried).await;
        let over = outside::now_ms().saturating_add(CLOCK_SKEW_MS) >= request.body.deadline_ms;
        let (answer, node): (Accepted, _) =
            sent.map_err(|error| if over { too_late(error, tried) } else { error })?;
        if answer.request == id {
            return Ok(id);
        }
        Err(ClientError::BadAnswer {
            address: format!("node {}", node.short()),
            reason: format!("it accepted request {} instead of {id}", answer.request),
        })
    }

    /// Makes, signs and sends a request.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Self::send`].
    pub async fn submit(&self, spec: SubmitSpec) -> Result<RequestId, ClientError> {
        let request = self.prepare(spec)?;
        self.send(&request).await
    }

    /// Ends a request early.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn cancel(&self, request: RequestId) -> Result<Included, ClientError> {
        self.client.transact(&self.key, Payload::CancelRequest { request }).await
    }

    /// Waits for a request's result, opens and checks it.
    ///
    /// Asks the endpoints and then the holders that they name; a holder whose result can't
    /// be believed is passed over for the next.
    ///
    /// # Errors
    /// [`ClientError::NoResult`] when the request ended without one,
    /// [`ClientError::Pending`] when there is none after `wait`,
    /// [`ClientError::Unbelievable`] when every holder's is wrong,
    /// [`ClientError::Unattested`] when too few validators confirm what the ledger holds.
    pub async fn result(&self, id: &RequestId, wait: Duration) -> Result<Checked, ClientError> {
        let start = Instant::now();
        let until = start + wait.min(WAIT_MAX);
        for turn in 0.. {
            let round = match self.round(id, turn, until).await {
                Err(error) if error.is_unknown() && start.elapsed() < LAG.min(wait) => {
                    Round::Again(Some(error))
                }
                other => other?,
            };
            match round {
                Round::Done(checked) => return Ok(*checked),
                Round::Again(why) if start.elapsed() >= wait => {
                    return Err(why.unwrap_or(ClientError::Pending { request: *id, waited: wait }));
                }
                Round::Again(why) => {
                    let asked = why.as_ref().map_or(Duration::ZERO, ClientError::retry_after);
                    let left = until.saturating_duration_since(Instant::now());
                    let pause = self.client.options().pause.max(asked.min(left));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Err(ClientError::Pending { request: *id, waited: wait })
    }

    /// Asks each node once. Fails when none of them could do better later. Every turn starts
    /// at another node, so that one that lags behind the chain can't keep the device waiting.
    async fn round(
        &self,
        id: &RequestId,
        turn: usize,
        until: Instant,
    ) -> Result<Round, ClientError> {
        let mut queue: VecDeque<Connection> = self.client.connections().into();
        let first = turn.checked_rem(queue.len()).unwrap_or(0);
        queue.rotate_left(first);
        let mut asked: Vec<PublicKey> = Vec::new();
        let (mut passing, mut lasting) = (None, None);
        while let Some(connection) = queue.pop_front() {
            let node = connection.endpoint.node;
            if asked.contains(&node) || asked.len() >= HOLDERS_MAX {
                continue;
            }
            asked.push(node);
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.pull(&connection, id, POLL.min(left)).await {
                Ok(Pulled::Result(sealed)) => {
                    match self.open_and_check(id, node, &sealed, until).await {
                        Ok(checked) => return Ok(Round::Done(Box::new(checked))),
                        Err(error) => error,
                    }
                }
                // The node waited in our stead; asking others at once would not help.
                Ok(Pulled::NotYet) => return Ok(Round::Again(None)),
                Ok(Pulled::Elsewhere(holders)) => {
                    for holder in holders.into_iter().filter(|h| !asked.contains(h)) {
                        match self.client.connection_to(&holder).await {
                            Ok(connection) => queue.push_front(connection),
                            Err(error) => passing = Some(error),
                        }
                    }
                    continue;
                }
                Err(ClientError::NoResult { .. }) => match self.no_result(id, node, until).await {
                    error @ ClientError::NoResult { .. } => return Err(error),
                    error => error,
                },
                Err(error) => error,
            };
            let kind = if may_pass(&error) { &mut passing } else { &mut lasting };
            *kind = Some(error);
        }
        match (passing, lasting) {
            (None, Some(error)) => Err(error),
            (passing, _) => Ok(Round::Again(passing)),
        }
    }

    async fn pull(
        &self,
        connection: &Connection,
        id: &RequestId,
        wait: Duration,
    ) -> Result<Pulled, ClientError> {
        let target = format!("{}?wait={}ms", paths::request_result(id), wait.as_millis());
        let signed = auth::Call { method: "GET", target: &target, body: &[] };
        let network = self.client.network();
        let headers = signed.sign(&self.key, &network, outside::now_ms()).pairs().into();
        let mut call = self.client.call_get(target.clone());
        call.headers = headers;
        call.timeout += wait;
        let problem = match self.client.send_to::<SealedResult>(connection, &call).await? {
            Ok(sealed) => return Ok(Pulled::Result(sealed)),
            Err(problem) => problem,
        };
        match problem.code {
            ErrorCode::ResultPending => Ok(Pulled::NotYet),
            ErrorCode::NotAHolder => Ok(Pulled::Elsewhere(problem.holders())),
            ErrorCode::NoResult => {
                Err(ClientError::NoResult { request: *id, reason: problem.detail })
            }
            _ => {
                let address = connection.endpoint.address.clone();
                Err(ClientError::Refused { address, problem: Box::new(problem) })
            }
        }
    }

    async fn open_and_check(
        &self,
        id: &RequestId,
        holder: PublicKey,
        sealed: &SealedResult,
        until: Instant,
    ) -> Result<Checked, ClientError> {
        let wrong = |reason| ClientError::Unbelievable { request: *id, reason };
        let bundle = self.open(id, sealed).map_err(wrong)?;
        let view = self.client.attested(id, &holder, until).await?;
        check::check(&self.client.network(), id, &view, &bundle).map_err(wrong)?;
        Ok(Checked { outputs: bundle.outputs, view, holder })
    }

    /// What is to be made of a node's word that there is no result: f+1 validators must say the
    /// same, or a single one could make a device give up a result that it has.
    async fn no_result(&self, id: &RequestId, node: PublicKey, until: Instant) -> ClientError {
        match self.client.attested(id, &node, until).await {
            Ok(view) => match check::check_none(id, &view) {
                Ok(reason) => ClientError::NoResult { request: *id, reason },
                Err(reason) => ClientError::Unbelievable { request: *id, reason },
            },
            Err(error) => error,
        }
    }

    fn open(&self, id: &RequestId, sealed: &SealedResult) -> Result<ResultBundle, Unbelievable> {
        let unreadable = |reason: String| Unbelievable::Unreadable { reason };
        if sealed.request != *id {
            return Err(Unbelievable::OtherRequest { got: sealed.request });
        }
        let bytes = Sealed::from_bytes(&sealed.sealed.0).map_err(|e| unreadable(e.to_string()))?;
        let plain = trustmesh_delivery::open(&self.result_secret, &id.0.0, &bytes)
            .map_err(|e| unreadable(e.to_string()))?;
        ResultBundle::from_bytes(&plain).map_err(|e| unreadable(e.to_string()))
    }
}

/// Why a request whose deadline has passed was not accepted: what held it up, where the last
/// answer says only that it is late now.
fn too_late(error: ClientError, tried: Vec<Attempt>) -> ClientError {
    let late = match &error {
        ClientError::Unreachable { .. } | ClientError::Limited { .. } => true,
        ClientError::Refused { problem, .. } => {
            problem.code == ErrorCode::Rejected(RejectCode::BadDeadline)
        }
        _ => false,
    };
    if !late || tried.is_empty() {
        return error;
    }
    let mut first: Vec<Attempt> = Vec::new();
    for attempt in tried {
        if first.iter().all(|known| known.address != attempt.address) {
            first.push(attempt);
        }
    }
    ClientError::TooLate { tried: first }
}

/// Whether asking again later may help.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. }
        | ClientError::Unattested { .. }
        | ClientError::Limited { .. } => true,
        ClientError::Refused { problem, .. } => passes(problem.code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_api::Problem;

    fn attempt(address: &str, reason: &str) -> Attempt {
        Attempt { address: address.to_owned(), reason: reason.to_owned() }
    }

    fn refused(code: ErrorCode) -> ClientError {
        let problem = Box::new(Problem::new(code, "the deadline must lie ahead of now"));
        ClientError::Refused { address: "b:1".to_owned(), problem }
    }

    #[test]
    fn a_deadline_that_passed_while_waiting_does_not_hide_what_was_waited_for() {
        let bad_deadline = || refused(ErrorCode::Rejected(RejectCode::BadDeadline));
        let tried = vec![
            attempt("a:1", "too few validators answered (unavailable)"),
            attempt("b:1", "connection refused"),
            attempt("a:1", "something later"),
        ];
        let first = tried.get(..2).unwrap().to_vec();
        for error in [bad_deadline(), ClientError::Unreachable { tried: Vec::new() }] {
            let late = too_late(error, tried.clone());
            assert!(late.to_string().contains("too few validators"), "{late}");
            assert!(matches!(late, ClientError::TooLate { tried } if tried == first));
        }
        // Nothing was waited for, or it is about something else.
        assert!(matches!(too_late(bad_deadline(), Vec::new()), ClientError::Refused { .. }));
        let other = too_late(refused(ErrorCode::Forbidden), tried);
        assert!(matches!(other, ClientError::Refused { .. }));
    }
}
