//! Names of images: `host[:port]/repository[:tag][@sha256:…]` (OCI Distribution specification
//! 1.1, "Pulling manifests").
//!
//! Invariants: the host is always written; a repository and a tag hold nothing that means
//! anything in a URL.

use super::error::OciError;
use serde::{Deserialize, Serialize};
use std::{fmt, net::Ipv6Addr, str::FromStr};
use trustmesh_types::Digest;

/// Longest name of a host, with its port (RFC 1035 and five digits).
const HOST_BYTES_MAX: usize = 260;
/// Longest name of a repository.
const REPOSITORY_BYTES_MAX: usize = 255;
/// Longest tag.
const TAG_BYTES_MAX: usize = 128;
/// What people call the registry that Docker's own tools take when none is named.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];
/// Where it answers.
const DOCKER_HUB_ADDRESS: &str = "registry-1.docker.io";

/// A registry's name and port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host(String);

/// The name of a repository in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// A name for a manifest that may come to mean another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    host: Host,
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

fn wrong(text: &str, why: impl Into<String>) -> OciError {
    OciError::Reference { text: text.chars().take(120).collect(), why: why.into() }
}

/// Where a host is asked.
pub(super) fn address(host: &Host) -> &str {
    if DOCKER_HUB.contains(&host.0.as_str()) { DOCKER_HUB_ADDRESS } else { &host.0 }
}

impl Host {
    /// Its name without the port.
    pub(super) fn name(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
            _ => &self.0,
        }
    }
}

impl FromStr for Host {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let like = "write a registry as name:port or name, such as registry.example:5000";
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let is_port = |it: &str| {
            it.bytes().all(|it| it.is_ascii_digit()) && it.parse::<u16>().is_ok_and(|it| it > 0)
        };
        let is_label = |it: &str| {
            let ends = it.starts_with('-') || it.ends_with('-');
            !it.is_empty() && !ends && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        };
        let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_name = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
            None => name.split('.').all(is_label),
        };
        if text.len() > HOST_BYTES_MAX || !is_name || !port.is_none_or(is_port) {
            return Err(wrong(text, like));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl FromStr for Repository {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let like = "a repository is of lower-case letters and digits, with single '.', '_', '__' \
                    or '-' between them, and '/' between its parts";
        if text.len() > REPOSITORY_BYTES_MAX || !text.split('/').all(is_part) {
            return Err(wrong(text, like));
        }
        Ok(Self(text.to_owned()))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let is_word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let between = part.trim_start_matches(is_word);
    let starts = between.len() < part.len();
    let ends = part.ends_with(is_word);
    let is_gap =
        |gap: &str| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|it| it == b'-');
    starts && ends && between.split(is_word).all(is_gap)
}

impl FromStr for Tag {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let is_word = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
        let starts = text.bytes().next().is_some_and(is_word);
        let rest = text.bytes().all(|it| is_word(it) || matches!(it, b'.' | b'-'));
        if !starts || !rest || text.len() > TAG_BYTES_MAX {
            let like = "a tag is of letters, digits, '_', '.' and '-', begins with none of the \
                        latter two, and has at most 128 of them";
            return Err(wrong(text, like));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Reference {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        if text.contains("://") {
            return Err(wrong(text, "leave out what comes before the host, with its ://"));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest_of(text, digest)?)),
            None => (text, None),
        };
        let Some((host, path)) = named.split_once('/').filter(|(it, _)| is_hostlike(it)) else {
            return Err(wrong(text, hostless(named)));
        };
        // The whole name is shown, whatever part of it is wrong.
        let whole = |error: OciError| match error {
            OciError::Reference { why, .. } => wrong(text, why),
            other => other,
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.parse().map_err(whole)?)),
            None => (path, None),
        };
        let host: Host = host.parse().map_err(whole)?;
        if DOCKER_HUB.contains(&host.0.as_str()) && !repository.contains('/') {
            return Err(wrong(text, format!("write {host}/library/{path}")));
        }
        let repository = repository.parse().map_err(whole)?;
        Ok(Self { host, repository, tag, digest })
    }
}

/// Whether the first part of a name can be a host, as Docker's tools tell it.
fn is_hostlike(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost"
}

fn hostless(named: &str) -> String {
    let image = if named.contains('/') { named.to_owned() } else { format!("library/{named}") };
    format!(
        "it names no registry, and none is taken for granted: write registry.example/{named}, or \
         docker.io/{image} if Docker's own is meant"
    )
}

fn digest_of(text: &str, digest: &str) -> Result<Digest, OciError> {
    let hex = digest.strip_prefix("sha256:");
    let lower = hex.filter(|it| !it.bytes().any(|it| it.is_ascii_uppercase()));
    lower.and_then(|it| it.parse().ok()).ok_or_else(|| {
        wrong(text, "after '@' comes sha256: and 64 hexadecimal digits in lower case")
    })
}

impl Reference {
    /// The registry's name and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host.0
    }

    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, when one is named.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The same name for what has a digest now, whatever its tag comes to mean.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The digest, when one is named: then the tag means nothing.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@sha256:{digest}"))
    }
}

impl TryFrom<String> for Reference {
    type Error = OciError;

    fn try_from(text: String) -> Result<Self, OciError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}
