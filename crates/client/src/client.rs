//! Calls to a network: any node will do, so a call goes to the next when one fails.

use crate::{
    endpoint::Endpoint,
    error::{Attempt, ClientError},
    http::{Call, Connection, Failure},
    options::Options,
};
use futures::future::join_all;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use trustmesh_api::{Committees, ErrorCode, Problem, paths};
use trustmesh_state::{first_committee, follow_handovers};
use trustmesh_types::{
    NetworkId, PublicKey,
    committee::Committee,
    genesis::{Genesis, faults_tolerated},
    reject::RejectCode,
};

/// Most nodes that are remembered beside the endpoints given.
const LEARNED_MAX: usize = 256;
/// Between two times that endpoints are asked who votes.
const COMMITTEE_INTERVAL: Duration = Duration::from_secs(30);
/// Endpoints that do not say by then who votes are not waited for.
const COMMITTEE_TIMEOUT: Duration = Duration::from_secs(2);

/// Who votes, as far as it was proved to this client, and when it asked last.
#[derive(Clone)]
struct KnownCommittee {
    committee: Committee,
    asked: Option<Instant>,
}

struct Inner {
    network: NetworkId,
    options: Options,
    connections: Vec<Connection>,
    genesis: Genesis,
    committee: Mutex<KnownCommittee>,
    learned: Mutex<BTreeMap<PublicKey, Connection>>,
    preferred: AtomicUsize,
}

/// A network as reached through its nodes. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes = self.inner.connections.len();
        write!(f, "Client(network {}, {nodes} nodes)", self.inner.network.short())
    }
}

impl Client {
    /// A client of the network of `genesis` that asks these nodes, the first one first. What
    /// one node can't be believed alone, it asks the validators of genesis.
    ///
    /// # Errors
    /// [`ClientError::NoEndpoint`] without any, [`ClientError::Local`] when TLS can't be set
    /// up.
    pub fn new(genesis: &Genesis, endpoints: Vec<Endpoint>) -> Result<Self, ClientError> {
        Self::with_options(genesis, endpoints, Options::default())
    }

    /// The same with other patience.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(
        genesis: &Genesis,
        endpoints: Vec<Endpoint>,
        options: Options,
    ) -> Result<Self, ClientError> {
        if endpoints.is_empty() {
            return Err(ClientError::NoEndpoint);
        }
        let network = genesis.network_id();
        let connect = |e| Connection::new(e, network, &options);
        let connections = endpoints.into_iter().map(connect).collect::<Result<_, _>>()?;
        let inner = Inner {
            network,
            options,
            connections,
            committee: Mutex::new(KnownCommittee {
                committee: first_committee(genesis),
                asked: None,
            }),
            genesis: genesis.clone(),
            learned: Mutex::default(),
            preferred: AtomicUsize::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.inner.network
    }

    /// The network's genesis.
    #[must_use]
    pub fn genesis_document(&self) -> &Genesis {
        &self.inner.genesis
    }

    /// The patience.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The endpoints given.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.inner.connections.iter().map(|c| &c.endpoint)
    }

    pub(crate) fn call_get(&self, target: String) -> Call {
        Call {
            method: Method::GET,
            target,
            headers: Vec::new(),
            body: Vec::new(),
            content_type: None,
            timeout: self.inner.options.answer_timeout,
        }
    }

    pub(crate) fn call_post<B: Serialize>(
        &self,
        target: String,
        body: &B,
    ) -> Result<Call, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|e| ClientError::Local { what: format!("the body has no JSON form: {e}") })?;
        Ok(Call {
            method: Method::POST,
            body,
            content_type: Some("application/json"),
            ..self.call_get(target)
        })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, target: String) -> Result<T, ClientError> {
        self.send(&self.call_get(target)).await.map(|(answer, _)| answer)
    }

    /// Makes a call, at the node that answered last and then at the others. Gives the answer
    /// and whose it is.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<(T, PublicKey), ClientError> {
        self.send_noting(call, &mut Vec::new()).await
    }

    /// The same; `tried` gets what did not work out on the way, oldest first, also when the
    /// call fails for another reason in the end.
    pub(crate) async fn send_noting<T: DeserializeOwned>(
        &self,
        call: &Call,
        tried: &mut Vec<Attempt>,
    ) -> Result<(T, PublicKey), ClientError> {
        let first = self.inner.preferred.load(Ordering::Relaxed);
        let (answer, at, node) = self.send_from(first, call, tried).await?;
        self.inner.preferred.store(at, Ordering::Relaxed);
        Ok((answer, node))
    }

    async fn send_from<T: DeserializeOwned>(
        &self,
        first: usize,
        call: &Call,
        tried: &mut Vec<Attempt>,
    ) -> Result<(T, usize, PublicKey), ClientError> {
        let options = &self.inner.options;
        let count = self.inner.connections.len();
        let (mut failed, mut limited) = (0, 0);
        loop {
            let round = self.round_from(first, call, tried).await?;
            let asked_to_wait = match round {
                Asked::Answered(answer, at, node) => return Ok((answer, at, node)),
                Asked::Limited(wait) => {
                    limited += 1;
                    Some(wait)
                }
                Asked::Failed(wait) => {
                    failed += 1;
                    Some(wait).filter(|wait| !wait.is_zero())
                }
            };
            if failed >= options.rounds.max(1) || limited >= options.limited_rounds.max(1) {
                // The last round says enough; earlier ones mostly repeat it.
                let from = tried.len().saturating_sub(count);
                let tried = tried.iter().skip(from).cloned().collect();
                return Err(match round {
                    Asked::Limited(retry_after) => ClientError::Limited { tried, retry_after },
                    _ => ClientError::Unreachable { tried },
                });
            }
            let doubled = (failed + limited - 1).min(3);
            let pause = options.pause.saturating_mul(1 << doubled);
            let pause = pause.max(asked_to_wait.unwrap_or_default());
            tokio::time::sleep(pause.min(options.answer_timeout)).await;
        }
    }

    /// Asks every node once, until one answers.
    async fn round_from<T: DeserializeOwned>(
        &self,
        first: usize,
        call: &Call,
        tried: &mut Vec<Attempt>,
    ) -> Result<Asked<T>, ClientError> {
        let count = self.inner.connections.len();
        let (mut shortest, mut longest, mut limited) = (Duration::MAX, Duration::ZERO, 0);
        for at in (0..count).map(|n| (first + n) % count) {
            let Some(connection) = self.inner.connections.get(at) else { continue };
            match connection.call(call).await {
                Ok(answer) => return Ok(Asked::Answered(answer, at, connection.endpoint.node)),
                Err(failure) => {
                    let wait = told_to_wait(&failure);
                    longest = longest.max(wait);
                    if is_limited(&failure) {
                        limited += 1;
                        shortest = shortest.min(wait);
                    }
                    tried.push(self.transient(&connection.endpoint.address, failure)?);
                }
            }
        }
        // When all ask to slow down, one is enough that takes more again.
        Ok(if limited == count { Asked::Limited(shortest) } else { Asked::Failed(longest) })
    }

    /// What another node, or the same one later, may do better; everything else is final.
    fn transient(&self, address: &str, failure: Failure) -> Result<Attempt, ClientError> {
        let address = address.to_owned();
        match failure {
            Failure::Network(reason) => Ok(Attempt { address, reason }),
            Failure::Problem(problem) if passes(problem.code) => {
                let reason = format!("{} ({})", problem.detail, problem.code);
                Ok(Attempt { address, reason })
            }
            Failure::Problem(problem) => Err(ClientError::Refused { address, problem }),
            Failure::Bad(reason) => Err(ClientError::BadAnswer { address, reason }),
            Failure::OtherNetwork(got) => Err(self.other_network(address, got)),
        }
    }

    fn other_network(&self, address: String, got: NetworkId) -> ClientError {
        ClientError::OtherNetwork { address, got, expected: self.network() }
    }

    /// Makes a call once at one node, which may be none of the endpoints.
    pub(crate) async fn send_to<T: DeserializeOwned>(
        &self,
        connection: &Connection,
        call: &Call,
    ) -> Result<Result<T, Problem>, ClientError> {
        let address = connection.endpoint.address.clone();
        match connection.call(call).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(Failure::Problem(problem)) => Ok(Err(*problem)),
            Err(Failure::Network(reason)) => {
                Err(ClientError::Unreachable { tried: vec![Attempt { address, reason }] })
            }
            Err(Failure::Bad(reason)) => Err(ClientError::BadAnswer { address, reason }),
            Err(Failure::OtherNetwork(got)) => Err(self.other_network(address, got)),
        }
    }

    /// Reads something at one node, which may be none of the endpoints.
    pub(crate) async fn get_at<T: DeserializeOwned>(
        &self,
        node: &PublicKey,
        target: String,
    ) -> Result<T, ClientError> {
        let connection = self.connection_to(node).await?;
        let answer = self.send_to(&connection, &self.call_get(target)).await?;
        answer.map_err(|problem| ClientError::Refused {
            address: connection.endpoint.address.clone(),
            problem: Box::new(problem),
        })
    }

    /// The endpoints as connections, the one that answered last first.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let first = self.inner.preferred.load(Ordering::Relaxed);
        let mut all = self.inner.connections.clone();
        let by = first.checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(by);
        all
    }

    /// A connection to a node: one of the endpoints, or at the address on the ledger.
    pub(crate) async fn connection_to(&self, node: &PublicKey) -> Result<Connection, ClientError> {
        if let Some(known) = self.inner.connections.iter().find(|c| c.endpoint.node == *node) {
            return Ok(known.clone());
        }
        if let Some(known) = self.learned().get(node) {
            return Ok(known.clone());
        }
        let info = self.node(node).await?.info;
        self.learn(&Endpoint::of_node(&info))
    }

    /// Connections to all validators, and how many of them must show the same before it is
    /// believed: one more than may be faulty. `first` goes before the others, if it is one, and
    /// those among the endpoints before those that are not.
    pub(crate) async fn validators(
        &self,
        first: &PublicKey,
    ) -> Result<(Vec<Connection>, usize), ClientError> {
        let committee = self.committee().await;
        let mut all = self.connections();
        all.retain(|c| committee.contains(&c.endpoint.node));
        for validator in &committee.validators {
            if all.iter().any(|c| c.endpoint.node == *validator) {
                continue;
            }
            let genesis = self.inner.genesis.nodes.iter().find(|node| node.key == *validator);
            let connection = match genesis {
                Some(node) => self.learn(&Endpoint::of_node(node)),
                // Where it is may be anybody's word: TLS shows that it is itself.
                None => self.connection_to(validator).await,
            };
            all.extend(connection.ok());
        }
        // One node may stand twice among the endpoints, by two addresses.
        let mut seen = BTreeSet::new();
        all.retain(|c| seen.insert(c.endpoint.node));
        all.sort_by_key(|c| c.endpoint.node != *first);
        Ok((all, faults_tolerated(committee.validators.len()) + 1))
    }

    /// Who votes: the newest committee that any endpoint proves. What none proves anew stays
    /// as it was; it is asked for again after a while.
    async fn committee(&self) -> Committee {
        let known = self.known_committee().clone();
        if known.asked.is_some_and(|asked| asked.elapsed() < COMMITTEE_INTERVAL) {
            return known.committee;
        }
        let call = self.call_get(paths::COMMITTEES.to_owned());
        let asks = self.connections().into_iter().map(|connection| {
            let (client, call) = (self.clone(), call.clone());
            async move {
                let asked = client.send_to::<Committees>(&connection, &call);
                tokio::time::timeout(COMMITTEE_TIMEOUT, asked).await
            }
        });
        let answers = join_all(asks).await.into_iter().flatten().flatten().flatten();
        let proved = answers.filter_map(|answer| {
            follow_handovers(&self.inner.genesis, &answer.handovers).ok()?.pop()
        });
        let newest = proved.max_by_key(|it| it.number);
        let mut known = self.known_committee();
        known.asked = Some(Instant::now());
        if let Some(newest) = newest.filter(|it| it.number > known.committee.number) {
            known.committee = newest;
        }
        known.committee.clone()
    }

    fn known_committee(&self) -> MutexGuard<'_, KnownCommittee> {
        // Its two fields are never half changed.
        self.inner.committee.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a node at an address, made anew when it is not known there.
    pub(crate) fn link(&self, endpoint: &Endpoint) -> Result<Connection, ClientError> {
        let known = self.learned().get(&endpoint.node).cloned();
        match known.filter(|it| it.endpoint == *endpoint) {
            Some(known) => Ok(known),
            None => self.learn(endpoint),
        }
    }

    fn learn(&self, endpoint: &Endpoint) -> Result<Connection, ClientError> {
        let connection = Connection::new(endpoint.clone(), self.network(), self.options())?;
        let mut learned = self.learned();
        if learned.len() < LEARNED_MAX {
            learned.insert(endpoint.node, connection.clone());
        }
        Ok(connection)
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Connection>> {
        // A map of connections is never half changed.
        self.inner.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What asking every node once gave.
enum Asked<T> {
    /// An answer, from which endpoint and node.
    Answered(T, usize, PublicKey),
    /// All ask to slow down, the one that is ready first for so long.
    Limited(Duration),
    /// None answered; the longest that any asks to wait.
    Failed(Duration),
}

fn is_limited(failure: &Failure) -> bool {
    matches!(failure, Failure::Problem(problem) if slows_down(problem.code))
}

/// How long a node asks to be left alone.
fn told_to_wait(failure: &Failure) -> Duration {
    match failure {
        Failure::Problem(problem) => Duration::from_millis(problem.retry_after_ms().unwrap_or(0)),
        _ => Duration::ZERO,
    }
}

/// Whether a problem says "not so much at once".
const fn slows_down(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::RateLimited | ErrorCode::Rejected(RejectCode::TooManyRequests))
}

/// Whether a problem says "not now" or "not here".
pub(crate) const fn passes(code: ErrorCode) -> bool {
    slows_down(code)
        || matches!(
            code,
            ErrorCode::Unavailable
                | ErrorCode::Timeout
                | ErrorCode::RequestTimeout
                | ErrorCode::Internal
        )
}
