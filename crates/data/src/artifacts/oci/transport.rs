//! One request to a registry: with a login where one is wanted, sent on where the registry says
//! so, tried again where that helps.
//!
//! Invariants: a login goes to the registry's own address alone; tries, waits and redirects are
//! bounded; every request has a place among those at a time until its answer is read.

use super::{
    auth::Login,
    body::{Flow, Stop},
    challenge::Wanted,
    error::OciError,
    reference::Repository,
    registry::Registry,
};
use bytes::Bytes;
use reqwest::{
    Body, Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde::Deserialize;
use std::{error::Error as _, time::Duration};
use tokio::time::{sleep, timeout};

/// Most tries of one request.
pub(super) const TRIES_MAX: u32 = 4;
/// Most redirects of one try.
const REDIRECTS_MAX: u32 = 5;
/// Longest wait that a registry may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Most that is read of an answer that tells what is wrong.
const REFUSAL_BYTES_MAX: u64 = 16 * 1024;
/// The specification's codes ("Error Codes"), and one that is everywhere.
const CODES: [&str; 16] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TAG_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
    "UNKNOWN",
];

/// What a login is to allow in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Pull,
    Push,
}

/// A request.
pub(super) struct Call<'a> {
    pub method: Method,
    pub url: Url,
    pub repository: &'a Repository,
    pub action: Action,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Makes the body, for each try anew.
    pub body: Option<&'a (dyn Fn() -> Body + Send + Sync)>,
    /// The body's length.
    pub body_bytes: u64,
    /// Most tries.
    pub tries_max: u32,
    /// What is asked for, for people.
    pub what: &'a str,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        method: Method,
        url: Url,
        (repository, action): (&'a Repository, Action),
        what: &'a str,
    ) -> Self {
        let (headers, tries_max) = (Vec::new(), TRIES_MAX);
        Self {
            method,
            url,
            repository,
            action,
            headers,
            body: None,
            body_bytes: 0,
            tries_max,
            what,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// An answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from.
    pub url: Url,
    pub flow: Flow,
}

/// Why a try failed, and whether another may do better.
pub(super) struct Failure {
    pub error: OciError,
    pub again: bool,
}

impl Failure {
    pub(super) const fn last(error: OciError) -> Self {
        Self { error, again: false }
    }
}

impl Registry {
    /// How long an answer may take to begin, a wait that the registry asks for among it.
    pub(super) fn patience(&self) -> Duration {
        let limits = &self.0.limits;
        limits.answer.saturating_add(limits.idle).saturating_add(RETRY_AFTER_MAX)
    }

    /// Makes a request until it is answered with something else than "later".
    pub(super) async fn exchange(&self, call: &Call<'_>) -> Result<Answer, OciError> {
        let shared = &self.0;
        let busy =
            || OciError::Busy { registry: self.host(), requests_max: shared.limits.requests_max };
        let place = shared.places.clone().acquire_owned();
        let place = timeout(shared.limits.answer, place).await.map_err(|_| busy())?;
        let place = place.map_err(|_| busy())?;
        let mut tries = 1;
        loop {
            let (wait, error) = match self.with_login(call).await {
                Ok(response) if is_later(response.status()) => {
                    let wait = retry_after(response.headers());
                    if tries >= call.tries_max {
                        let flow = Flow::new(response, shared.limits, Some(place));
                        return self.accepted(call, flow).await;
                    }
                    (wait, None)
                }
                Ok(response) => {
                    let flow = Flow::new(response, shared.limits, Some(place));
                    return self.accepted(call, flow).await;
                }
                Err(failure) if failure.again => (None, Some(failure.error)),
                Err(failure) => return Err(failure.error),
            };
            if let Some(error) = error
                && tries >= call.tries_max
            {
                return Err(error);
            }
            let backoff = shared.limits.retry.saturating_mul(1 << tries.saturating_sub(1).min(6));
            sleep(wait.unwrap_or(backoff).min(RETRY_AFTER_MAX)).await;
            tries += 1;
        }
    }

    /// An answer that the asker makes sense of; a login's failure is told here.
    async fn accepted(&self, call: &Call<'_>, flow: Flow) -> Result<Answer, OciError> {
        let (status, url) = (flow.status(), flow.url().clone());
        let answer = Answer { status, headers: flow.headers().clone(), url, flow };
        if !self.is_own(&answer.url) {
            return Ok(answer);
        }
        let repository = call.repository.to_string();
        match status {
            StatusCode::UNAUTHORIZED => {
                let why = self.0.auth.refused(call.action);
                Err(OciError::Unauthorized { registry: self.host(), repository, why })
            }
            StatusCode::FORBIDDEN => Err(OciError::Forbidden {
                registry: self.host(),
                repository,
                user: self.0.auth.user(),
                action: match call.action {
                    Action::Pull => "read from",
                    Action::Push => "write to",
                },
            }),
            _ => Ok(answer),
        }
    }

    async fn with_login(&self, call: &Call<'_>) -> Result<Response, Failure> {
        let known = self.0.auth.known(call.repository, call.action).map_err(Failure::last)?;
        let response = self.follow(call, known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(response.url()) {
            return Ok(response);
        }
        let wanted = Wanted::of(response.headers());
        drop(response);
        let login = self.log_in(&wanted, call, known).await?;
        self.follow(call, Some(&login)).await
    }

    async fn follow(&self, call: &Call<'_>, login: Option<&Login>) -> Result<Response, Failure> {
        let mut url = call.url.clone();
        let is_read = matches!(call.method, Method::GET | Method::HEAD);
        for _ in 0..=REDIRECTS_MAX {
            let mut request = self.0.http.request(call.method.clone(), url.clone());
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            if let Some(body) = call.body {
                request = request.body(body());
            }
            if let Some(login) = login
                && self.is_own(&url)
            {
                request = request.header(AUTHORIZATION, login.header());
            }
            let limits = &self.0.limits;
            let time = limits.answer.saturating_add(limits.time_for(call.body_bytes));
            let time = if call.body_bytes == 0 { limits.answer } else { time };
            let response = match timeout(time, request.send()).await {
                Ok(sent) => sent.map_err(|error| self.unreachable(&error))?,
                Err(_) => {
                    let (registry, what) = (self.host(), call.what.to_owned());
                    let why = format!("no answer came in {} ms", time.as_millis());
                    return Err(Failure {
                        error: OciError::Slow { registry, what, why },
                        again: true,
                    });
                }
            };
            if !is_read || !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
            let Some(location) = location else { return Ok(response) };
            url = self.onward(&url, location, call.what).map_err(Failure::last)?;
        }
        let why = format!("it sends on more than {REDIRECTS_MAX} times");
        Err(Failure::last(self.malformed(call.what, why)))
    }

    /// A connection that could not be made, or broke.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let tls = tls_error(error);
        let again = tls.is_none();
        let why = tls.unwrap_or_else(|| reason(error));
        Failure { error: OciError::Unreachable { registry: self.host(), why }, again }
    }

    /// An answer that is not what was asked for.
    pub(super) async fn refused(&self, what: &str, answer: Answer) -> OciError {
        let (status, own) = (answer.status.as_u16(), self.is_own(&answer.url));
        let what = if own { what.to_owned() } else { format!("{what} (at another address)") };
        let codes = match answer.flow.whole(REFUSAL_BYTES_MAX).await {
            Ok(body) => codes(&body),
            Err(_) => String::new(),
        };
        OciError::Refused { registry: self.host(), what, status, codes }
    }

    /// The body of an answer, of bounded size.
    pub(super) async fn whole(
        &self,
        what: &str,
        flow: Flow,
        bytes_max: u64,
    ) -> Result<Bytes, OciError> {
        flow.whole(bytes_max).await.map_err(|stop: Stop| self.stopped(what, stop))
    }
}

/// Whether a registry means "not now".
pub(super) fn is_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// The form of seconds alone; a date would have to be compared with a clock that may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// The codes of a refusal that are the specification's, in brackets.
fn codes(body: &[u8]) -> String {
    let refusal: Refusal = match serde_json::from_slice(body) {
        Ok(refusal) => refusal,
        Err(_) => return String::new(),
    };
    let is_known = |it: &&str| refusal.errors.iter().any(|error| error.code == **it);
    let known: Vec<&str> = CODES.into_iter().filter(|it| is_known(it)).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

/// The innermost cause, which says most.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() {
        return "no connection in time".to_owned();
    }
    // What the outermost says has the address in it, which may carry what belongs to nobody else.
    if error.source().is_none() { "the request failed".to_owned() } else { innermost.to_string() }
}

/// What is wrong with TLS, when that is what ended a connection.
fn tls_error(error: &reqwest::Error) -> Option<String> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(match tls {
                rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                    "no authority that is known here signed its certificate: set ca_file to the \
                     certificate of the one that did"
                        .to_owned()
                }
                rustls::Error::InvalidMessage(_) => {
                    "it does not speak TLS: see to its port, or set plain_http".to_owned()
                }
                other => format!("TLS: {other}"),
            });
        }
        // An I/O error's source is the source of what it wraps, which is what is looked for.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}
