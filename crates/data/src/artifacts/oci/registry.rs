//! A registry that is used.

use super::{
    auth::Auth,
    body::{Limits, Stop},
    config::RegistryConfig,
    error::OciError,
    reference::{Host, Repository},
    tls,
};
use reqwest::{Client, Url, redirect::Policy};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use trustmesh_types::Digest;

/// A registry; copies share its connections, logins and bounds.
#[derive(Clone)]
pub struct Registry(pub(super) Arc<Inner>);

/// What copies of a registry share.
pub(super) struct Inner {
    pub host: Host,
    /// Where its `/v2/` is.
    pub base: Url,
    pub http: Client,
    pub auth: Auth,
    pub limits: Limits,
    pub places: Arc<Semaphore>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.0.host.to_string()).finish()
    }
}

impl Registry {
    /// A registry with its settings. Files are read, nothing is sent.
    ///
    /// # Errors
    /// [`OciError::Config`], [`OciError::Reference`] or [`OciError::File`].
    pub fn new(config: &RegistryConfig) -> Result<Self, OciError> {
        let (host, base) = config.checked()?;
        let wrong = |error: reqwest::Error| OciError::Config {
            registry: host.to_string(),
            why: format!("no HTTP client: {error}"),
        };
        let http = Client::builder()
            .tls_backend_preconfigured(tls::client(config)?)
            .https_only(!config.plain_http)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .user_agent(concat!("trustmesh/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(wrong)?;
        let limits = Limits {
            answer: Duration::from_millis(config.answer_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
            rate_min_bytes_per_s: config.rate_min_bytes_per_s,
            retry: Duration::from_millis(config.retry_ms),
            requests_max: config.requests_max.min(Semaphore::MAX_PERMITS),
        };
        let auth = Auth::new(config)?;
        let places = Arc::new(Semaphore::new(limits.requests_max));
        Ok(Self(Arc::new(Inner { host, base, http, auth, limits, places })))
    }

    /// Its name and port, as images are named after it.
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host.to_string()
    }

    /// The address of something in a repository.
    pub(super) fn url(&self, repository: &Repository, path: &str) -> Result<Url, OciError> {
        let joined = self.0.base.join(&format!("{repository}/{path}"));
        joined.map_err(|error| self.malformed(path, error.to_string()))
    }

    /// Whether a login may be sent to an address.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.0.base.origin()
    }

    /// An address that the registry sends us on to; never in the clear when it is behind TLS
    /// itself, and without what would be a login.
    pub(super) fn onward(&self, from: &Url, to: &str, what: &str) -> Result<Url, OciError> {
        let wrong = || self.malformed(what, "it sends on to what is no address".to_owned());
        let mut url = from.join(to).map_err(|_| wrong())?;
        if url.scheme() != "https" && url.scheme() != self.0.base.scheme() {
            let why = "it sends on to an address without TLS";
            return Err(self.malformed(what, why.to_owned()));
        }
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong())?;
        url.set_fragment(None);
        Ok(url)
    }

    pub(super) fn malformed(&self, what: &str, why: impl Into<String>) -> OciError {
        OciError::Malformed { registry: self.host(), what: what.to_owned(), why: why.into() }
    }

    pub(super) fn wrong_digest(&self, what: &str, got: Digest) -> OciError {
        OciError::WrongDigest { registry: self.host(), what: what.to_owned(), got }
    }

    pub(super) fn not_found(&self, repository: &Repository, what: &str) -> OciError {
        OciError::NotFound {
            registry: self.host(),
            repository: repository.to_string(),
            what: what.to_owned(),
        }
    }

    pub(super) fn stopped(&self, what: &str, stop: Stop) -> OciError {
        let (registry, what) = (self.host(), what.to_owned());
        match stop {
            Stop::Silent(idle) => {
                let why = format!("nothing came for {} ms", idle.as_millis());
                OciError::Slow { registry, what, why }
            }
            Stop::Slow(rate) => {
                let why = format!("less than {rate} bytes a second came");
                OciError::Slow { registry, what, why }
            }
            Stop::Broken(why) => OciError::Unreachable { registry, why: format!("{what}: {why}") },
            Stop::TooLarge(bytes_max) => OciError::TooLarge { registry, what, bytes_max },
        }
    }
}
