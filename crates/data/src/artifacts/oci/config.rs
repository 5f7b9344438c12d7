//! Settings of a registry, a `[[registries]]` of `node.toml`. Times are in milliseconds.
//!
//! Invariants: one way to log in at most; nothing goes in the clear to another machine unless
//! that is asked for by name.

use super::{
    error::OciError,
    reference::{self, Host},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// A registry, and as whom it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its name and port, as images are named after it: `registry.example:5000`.
    pub host: String,
    /// Plain HTTP instead of TLS. For this machine alone, unless `plain_http_host` says more.
    #[serde(default)]
    pub plain_http: bool,
    /// `host` once more, when plain HTTP to another machine is really meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_http_host: Option<String>,
    /// Who logs in, with the password in `password_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that its owner alone can read, with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Instead of a password: a file with a token that the registry takes as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities to trust beside those of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// For a connection to be made.
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// For an answer to begin.
    #[serde(default = "answer_timeout_ms")]
    pub answer_timeout_ms: u64,
    /// A registry that sends nothing for so long has fallen silent.
    #[serde(default = "idle_timeout_ms")]
    pub idle_timeout_ms: u64,
    /// A registry that sends or takes less on average, beyond `idle_timeout_ms`, is too slow.
    #[serde(default = "rate_min_bytes_per_s")]
    pub rate_min_bytes_per_s: u64,
    /// Before the first of three more tries; twice as long before each next.
    #[serde(default = "retry_ms")]
    pub retry_ms: u64,
    /// Most requests at a time.
    #[serde(default = "requests_max")]
    pub requests_max: usize,
}

const fn connect_timeout_ms() -> u64 {
    5_000
}
const fn answer_timeout_ms() -> u64 {
    30_000
}
const fn idle_timeout_ms() -> u64 {
    15_000
}
const fn rate_min_bytes_per_s() -> u64 {
    8 * 1024
}
const fn retry_ms() -> u64 {
    250
}
const fn requests_max() -> usize {
    16
}

impl RegistryConfig {
    /// A registry behind TLS, used by nobody in particular.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            plain_http: false,
            plain_http_host: None,
            username: None,
            password_file: None,
            token_file: None,
            ca_file: None,
            connect_timeout_ms: connect_timeout_ms(),
            answer_timeout_ms: answer_timeout_ms(),
            idle_timeout_ms: idle_timeout_ms(),
            rate_min_bytes_per_s: rate_min_bytes_per_s(),
            retry_ms: retry_ms(),
            requests_max: requests_max(),
        }
    }

    /// A registry as `name:port`: one on this machine is used without TLS.
    #[must_use]
    pub fn simple(host: &str) -> Self {
        let plain_http = host.parse().is_ok_and(|it: Host| is_here(it.name()));
        Self { plain_http, ..Self::new(host) }
    }

    /// Relative paths are meant from a folder on.
    pub fn resolve(&mut self, folder: &Path) {
        let files = [&mut self.password_file, &mut self.token_file, &mut self.ca_file];
        for file in files.into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }

    /// The host that is meant, and where it is asked.
    pub(super) fn checked(&self) -> Result<(Host, Url), OciError> {
        let host: Host = self.host.parse()?;
        let wrong =
            |why: &str| Err(OciError::Config { registry: host.to_string(), why: why.to_owned() });
        match (&self.username, &self.password_file, &self.token_file) {
            (None, None, _) | (Some(_), Some(_), None) => {}
            (Some(_), None, _) => return wrong("username is set and password_file is not"),
            (None, Some(_), _) => return wrong("password_file is set and username is not"),
            _ => return wrong("set either username and password_file, or token_file"),
        }
        let named = self.username.as_deref().unwrap_or("nobody");
        if named.is_empty() || named.contains(':') || named.chars().any(char::is_control) {
            // RFC 7617, section 2.
            return wrong("username is empty, or has a colon or control character in it");
        }
        let bounds = [
            self.connect_timeout_ms,
            self.answer_timeout_ms,
            self.idle_timeout_ms,
            self.rate_min_bytes_per_s,
            self.requests_max as u64,
        ];
        if bounds.contains(&0) {
            return wrong("timeouts, rate_min_bytes_per_s and requests_max must be above 0");
        }
        if self.plain_http && !is_here(host.name()) {
            let meant = self.plain_http_host.as_deref().and_then(|it| it.parse::<Host>().ok());
            if meant.as_ref() != Some(&host) {
                return wrong(
                    "plain_http would send images and logins in the clear to another machine: \
                     use TLS (ca_file for a private authority), or write the host once more as \
                     plain_http_host",
                );
            }
        }
        let scheme = if self.plain_http { "http" } else { "https" };
        match Url::parse(&format!("{scheme}://{}/v2/", reference::address(&host))) {
            Ok(url) => Ok((host, url)),
            Err(error) => wrong(&format!("its address is no URL: {error}")),
        }
    }
}

/// Whether a host's name means this machine.
pub(super) fn is_here(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}
