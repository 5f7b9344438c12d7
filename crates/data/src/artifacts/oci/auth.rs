//! Logins: basic (RFC 7617), tokens of a token server (Docker's token authentication
//! specification, by GET), or a token as it is.
//!
//! Invariants: a token is asked for one repository and for what is about to be done there,
//! whatever scope the registry names; the token server is asked over TLS, unless the registry
//! itself is used without; a secret is read again when it is refused, so that it can be changed
//! while a node runs. What the HTTP library holds while it sends is not wiped.

use super::{
    body::Flow,
    challenge::{Bearer, Wanted},
    config::{RegistryConfig, is_here},
    error::OciError,
    reference::Repository,
    registry::Registry,
    secret::Secret,
    transport::{Action, Call, Failure, is_later},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Largest answer of a token server.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// Most tokens that are kept.
const TOKENS_MAX: usize = 256;
/// How long a token is good for when nothing is said, as the specification has it.
const LIFETIME: u64 = 60;
/// Longest that a token is kept, and how long before its end it is given up, in seconds.
const LIFETIME_MAX: u64 = 3_600;
const LIFETIME_MARGIN: u64 = 5;

/// What stands in a request for who makes it.
#[derive(Clone, PartialEq)]
pub(super) struct Login(HeaderValue);

impl Login {
    /// None of what can't stand in a header.
    fn new(scheme: &str, secret: &str) -> Option<Self> {
        if secret.is_empty() || !secret.bytes().all(|it| it.is_ascii_graphic()) {
            return None;
        }
        let text = Zeroizing::new(format!("{scheme} {secret}"));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// How a registry is used.
enum Kind {
    Nobody,
    User { name: String },
    Token,
}

struct State {
    secret: Option<Secret>,
    /// The registry wants the password itself.
    basic: bool,
    tokens: BTreeMap<(Repository, Action), (Login, Instant)>,
}

/// Who uses a registry.
pub(super) struct Auth {
    kind: Kind,
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, OciError> {
        let kind = match (&config.username, &config.token_file) {
            (Some(name), _) => Kind::User { name: name.clone() },
            (None, Some(_)) => Kind::Token,
            (None, None) => Kind::Nobody,
        };
        let file = config.password_file.clone().or_else(|| config.token_file.clone());
        let secret = file.as_deref().map(Secret::read).transpose()?;
        let state = State { secret, basic: false, tokens: BTreeMap::new() };
        let auth = Self { kind, file, state: Mutex::new(state) };
        auth.own()?;
        Ok(auth)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks, for people.
    pub(super) fn user(&self) -> String {
        match &self.kind {
            Kind::Nobody => "anybody without a login".to_owned(),
            Kind::User { name } => format!("user {name}"),
            Kind::Token => "the owner of its token".to_owned(),
        }
    }

    /// What to do about a login that is not enough.
    pub(super) fn refused(&self, action: Action) -> String {
        let to = match action {
            Action::Pull => "read",
            Action::Push => "write",
        };
        let file = self.file.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
        match &self.kind {
            Kind::Nobody => format!(
                "it wants a login to {to}: set username and password_file, or token_file, in its \
                 [[registries]]; a repository that isn't there may look the same"
            ),
            Kind::User { name } => format!(
                "it does not accept user {name} with the password in {file}, or does not let \
                 them {to} there"
            ),
            Kind::Token => format!("it does not accept the token in {file}: put a new one there"),
        }
    }

    /// The login that is made of the secret itself.
    fn own(&self) -> Result<Option<Login>, OciError> {
        let Some(secret) = self.state().secret.clone() else { return Ok(None) };
        let login = match &self.kind {
            Kind::Nobody => return Ok(None),
            Kind::User { name } => {
                let both = Zeroizing::new(format!("{name}:{}", secret.expose()));
                Login::new("Basic", &Zeroizing::new(BASE64.encode(both.as_bytes())))
            }
            Kind::Token => Login::new("Bearer", secret.expose()),
        };
        let path = self.file.clone().unwrap_or_default();
        let why = "what is in it can't be sent as a token".to_owned();
        login.map(Some).ok_or(OciError::File { path, why })
    }

    /// Reads the secret again; the login when it is another one.
    fn renewed(&self, before: &Login) -> Option<Login> {
        let secret = self.file.as_deref().map(Secret::read)?.ok()?;
        self.state().secret = Some(secret);
        self.own().ok()?.filter(|login| login != before)
    }

    /// The login that the registry took before.
    pub(super) fn known(
        &self,
        repository: &Repository,
        action: Action,
    ) -> Result<Option<Login>, OciError> {
        if matches!(self.kind, Kind::Token) || self.state().basic {
            return self.own();
        }
        let state = self.state();
        let token = state.tokens.get(&(repository.clone(), action));
        Ok(token.filter(|(_, until)| Instant::now() < *until).map(|(login, _)| login.clone()))
    }

    fn keep(&self, repository: &Repository, action: Action, login: &Login, lifetime: u64) {
        let seconds = lifetime.min(LIFETIME_MAX).saturating_sub(LIFETIME_MARGIN);
        let Some(until) = Instant::now().checked_add(Duration::from_secs(seconds)) else { return };
        let mut state = self.state();
        if state.tokens.len() >= TOKENS_MAX {
            state.tokens.clear();
        }
        state.tokens.insert((repository.clone(), action), (login.clone(), until));
    }
}

impl Registry {
    /// A login as the registry wants it, after it refused the one that was sent.
    pub(super) async fn log_in(
        &self,
        wanted: &Wanted,
        call: &Call<'_>,
        sent: Option<Login>,
    ) -> Result<Login, Failure> {
        let auth = &self.0.auth;
        let refused = |why: String| {
            let (registry, repository) = (self.host(), call.repository.to_string());
            Failure::last(OciError::Unauthorized { registry, repository, why })
        };
        if wanted.bearer.is_some() && !wanted.basic {
            // It took a login itself before, and wants tokens now.
            auth.state().basic = false;
        }
        if matches!(auth.kind, Kind::Token) || auth.state().basic {
            let again = match sent {
                Some(before) => auth.renewed(&before),
                // Another request has learnt how to log in since this one was sent.
                None => auth.own().map_err(Failure::last)?,
            };
            return again.ok_or_else(|| refused(auth.refused(call.action)));
        }
        if let Some(bearer) = &wanted.bearer {
            let own = auth.own().map_err(Failure::last)?;
            let first = self.token(bearer, call, own.as_ref()).await?;
            let granted = match (first, own) {
                (None, Some(own)) => match auth.renewed(&own) {
                    Some(renewed) => self.token(bearer, call, Some(&renewed)).await?,
                    None => None,
                },
                (first, _) => first,
            };
            return granted.ok_or_else(|| refused(auth.refused(call.action)));
        }
        if !wanted.basic {
            let why = "it refuses, and names no way to log in that is known here (basic, bearer)";
            return Err(refused(why.to_owned()));
        }
        let own = auth.own().map_err(Failure::last)?;
        let own = own.ok_or_else(|| refused(auth.refused(call.action)))?;
        auth.state().basic = true;
        Ok(own)
    }

    /// A token for what is about to be done; `None` when the token server refuses the login.
    async fn token(
        &self,
        bearer: &Bearer,
        call: &Call<'_>,
        login: Option<&Login>,
    ) -> Result<Option<Login>, Failure> {
        const WHAT: &str = "a token";
        let url = self.token_url(bearer, call).map_err(Failure::last)?;
        let mut request = self.0.http.get(url);
        if let Some(login) = login {
            request = request.header(AUTHORIZATION, login.header());
        }
        let limits = self.0.limits;
        let slow = |why: &str| Failure {
            error: OciError::Slow {
                registry: self.host(),
                what: WHAT.to_owned(),
                why: why.to_owned(),
            },
            again: true,
        };
        let sent = timeout(limits.answer, request.send()).await;
        let sent = sent.map_err(|_| slow("its token server does not answer"))?;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok(None);
        }
        if status != StatusCode::OK {
            let error = self.malformed(WHAT, format!("its token server answers {status}"));
            return Err(Failure { error, again: is_later(status) });
        }
        let body = Flow::new(response, limits, None).whole(TOKEN_BYTES_MAX).await;
        let body = body.map_err(|stop| Failure::last(self.stopped(WHAT, stop)))?;
        let granted: Result<Granted, _> = serde_json::from_slice(&body);
        let granted =
            granted.ok().and_then(|it| Some((it.token.or(it.access_token)?, it.expires_in)));
        let login = granted.and_then(|(token, lifetime)| {
            let token = Secret::new(token);
            Some((Login::new("Bearer", token.expose())?, lifetime.unwrap_or(LIFETIME)))
        });
        let Some((login, lifetime)) = login else {
            let why = "its token server sends no token";
            return Err(Failure::last(self.malformed(WHAT, why)));
        };
        self.0.auth.keep(call.repository, call.action, &login, lifetime);
        Ok(Some(login))
    }

    fn token_url(&self, bearer: &Bearer, call: &Call<'_>) -> Result<Url, OciError> {
        let wrong = |why: &str| self.malformed("a token", why);
        let mut url = Url::parse(&bearer.realm)
            .map_err(|_| wrong("the address of its token server is none"))?;
        let name = url.host_str().unwrap_or_default();
        let plain = self.0.base.scheme() == "http"
            && url.scheme() == "http"
            && (is_here(name) || self.0.base.host_str() == Some(name));
        if url.scheme() != "https" && !plain {
            return Err(wrong("its token server has an address without TLS"));
        }
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| wrong("the address of its token server is none"))?;
        let actions = match call.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let mut query = url.query_pairs_mut();
        if let Some(service) = &bearer.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &format!("repository:{}:{actions}", call.repository));
        drop(query);
        Ok(url)
    }
}
