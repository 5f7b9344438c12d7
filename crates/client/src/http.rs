//! One node: a pool of connections to it, and one call with its answer read within bounds.

use crate::{endpoint::Endpoint, error::ClientError, tls};
use reqwest::{Method, Response, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use std::{error::Error as _, time::Duration};
use trustmesh_api::{Problem, limits, problem};

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
}

/// A node that can be called.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub endpoint: Endpoint,
    http: reqwest::Client,
}

impl Connection {
    pub(crate) fn new(endpoint: Endpoint, connect: Duration) -> Result<Self, ClientError> {
        let local = |what: String| ClientError::Local { what: format!("TLS set-up: {what}") };
        let tls = tls::config(endpoint.node).map_err(|e| local(e.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .user_agent(concat!("trustmesh-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| local(e.to_string()))?;
        Ok(Self { endpoint, http })
    }

    /// Makes one call and reads the JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
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
        let body = read(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| Failure::Bad(e.to_string()));
        }
        Err(not_ok(status, is_problem, &body))
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

fn not_ok(status: StatusCode, is_problem: bool, body: &[u8]) -> Failure {
    if is_problem && let Ok(problem) = serde_json::from_slice::<Problem>(body) {
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
        return "another key answers there than the node's: wrong address, or an impostor"
            .to_owned();
    }
    if error.source().is_none() { error.to_string() } else { text }
}
