//! One node: a pool of connections to it, and one call with its answer read within bounds.

use crate::{endpoint::Endpoint, error::ClientError, options::Options, tls};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, RANGE, RETRY_AFTER},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{error::Error as _, ops::Range, sync::Arc, time::Duration};
use tokio::sync::OnceCell;
use trustmesh_api::{Problem, limits, paths, problem};
use trustmesh_types::NetworkId;

/// For a node to say which network it works in.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// What of a node's status says where it works.
#[derive(Deserialize)]
struct Greeting {
    network: NetworkId,
}

/// A call, the same for every node that is asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub content_type: Option<&'static str>,
    pub timeout: Duration,
}

/// What one try at one node gave instead of an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing came, or the connection broke: another node may do better.
    Network(String),
    /// The node said what is wrong.
    Problem(Box<Problem>),
    /// An answer that can't be read.
    Bad(String),
    /// The node has the right key, but works in another network.
    OtherNetwork(NetworkId),
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    /// When the node says it answered.
    pub date: Option<String>,
    pub body: Vec<u8>,
}

/// A node that can be called.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub endpoint: Endpoint,
    network: NetworkId,
    http: reqwest::Client,
    /// Set once the node has named this network.
    belongs: Arc<OnceCell<()>>,
}

impl Connection {
    /// A node of a network. Nothing is sent before the first call.
    pub(crate) fn new(
        endpoint: Endpoint,
        network: NetworkId,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let local = |what: String| ClientError::Local { what: format!("TLS set-up: {what}") };
        let tls = tls::config(endpoint.node).map_err(|e| local(e.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .local_address(options.local_address)
            .user_agent(concat!("trustmesh-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| local(e.to_string()))?;
        Ok(Self { endpoint, network, http, belongs: Arc::default() })
    }

    /// Makes one call and reads the JSON answer. Before the first one, the node must say that
    /// it works in this network: a key may serve in several, and reads are not signed.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.belongs.get_or_try_init(|| self.greet()).await?;
        self.exchange(call).await
    }

    async fn greet(&self) -> Result<(), Failure> {
        let call = Call {
            method: Method::GET,
            target: paths::LEDGER_STATUS.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            content_type: None,
            timeout: GREETING_TIMEOUT,
        };
        match self.exchange::<Greeting>(&call).await?.network {
            network if network == self.network => Ok(()),
            other => Err(Failure::OtherNetwork(other)),
        }
    }

    /// One read of a path, whatever the node says of its network and however it answers.
    pub(crate) async fn raw(&self, path: &str, timeout: Duration) -> Result<Raw, String> {
        let url = format!("https://{}{path}", self.endpoint.address);
        let response = self.http.get(url).timeout(timeout).send().await.map_err(|e| reason(&e))?;
        let status = response.status();
        let date = response.headers().get(DATE).and_then(|it| it.to_str().ok()).map(str::to_owned);
        match read(response).await {
            Ok(body) if status.is_success() => Ok(Raw { date, body }),
            Ok(_) => Err(format!("status {status}")),
            Err(Failure::Network(why) | Failure::Bad(why)) => Err(why),
            Err(_) => Err(format!("status {status}")),
        }
    }

    /// A call whose answer is bytes, as they come; `range` of them, when it is said.
    pub(crate) async fn stream(
        &self,
        call: &Call,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, String>>, String> {
        let url = format!("https://{}{}", self.endpoint.address, call.target);
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(range) = range {
            // A range of HTTP names its last byte (RFC 9110, section 14.1.2).
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|e| reason(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.bytes_stream().map_err(|e| reason(&e)).boxed());
        }
        let detail = read(response).await.ok();
        let problem = detail.and_then(|body| serde_json::from_slice::<Problem>(&body).ok());
        Err(problem.map_or_else(|| format!("status {status}"), |problem| problem.detail))
    }

    async fn exchange<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        let url = format!("https://{}{}", self.endpoint.address, call.target);
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .timeout(call.timeout)
            .body(call.body.clone());
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|e| Failure::Network(reason(&e)))?;
        let status = response.status();
        let is_problem = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with(problem::CONTENT_TYPE));
        let retry_after_ms = retry_after_ms(response.headers());
        let body = read(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| Failure::Bad(e.to_string()));
        }
        Err(not_ok(status, is_problem, &body, retry_after_ms))
    }
}

/// Reads a body of at most [`limits::ANSWER_BYTES_MAX`].
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Network(reason(&e)))? {
        if body.len() + chunk.len() > limits::ANSWER_BYTES_MAX {
            let max = limits::ANSWER_BYTES_MAX;
            return Err(Failure::Bad(format!("more than {max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Milliseconds that the header `Retry-After` asks to wait, in its form of seconds.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

fn not_ok(
    status: StatusCode,
    is_problem: bool,
    body: &[u8],
    retry_after_ms: Option<u64>,
) -> Failure {
    if is_problem && let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return Failure::Problem(Box::new(problem));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        // Something between here and the node says so.
        let wait_ms = retry_after_ms.unwrap_or(0);
        let problem = Problem::rate_limited("too many requests", wait_ms);
        return Failure::Problem(Box::new(problem));
    }
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    Failure::Bad(format!("status {status} without a problem document: {text:?}"))
}

/// The innermost cause says most ("connection refused"), the outer ones where.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    if text.contains("ApplicationVerificationFailure") {
        return "another key answers there than the node's: wrong address, another network's \
                genesis, or an impostor"
            .to_owned();
    }
    if error.source().is_none() { error.to_string() } else { text }
}
