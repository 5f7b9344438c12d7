//! What can go wrong with a registry. Sizes are in bytes.
//!
//! Invariant: no text here comes from a registry as it is, since one may send back the password
//! that it was given; of its answers only statuses and the codes of the specification are told.

use std::path::PathBuf;
use trustmesh_types::Digest;

/// A registry can't be used, or does not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// A name of an image is not written as one.
    #[error("{text:?} names no image in a registry: {why}")]
    Reference {
        /// What was given, cut.
        text: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// The settings of a registry don't fit each other.
    #[error("registry {registry}: {why}")]
    Config {
        /// The registry.
        registry: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file with a secret or certificates can't be used.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The registry can't be reached.
    #[error("registry {registry} can't be reached: {why}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// What happened.
        why: String,
    },
    /// Too many requests to it are under way.
    #[error("registry {registry} has {requests_max} requests of this node to answer; try later")]
    Busy {
        /// The registry.
        registry: String,
        /// Most requests at a time.
        requests_max: usize,
    },
    /// It wants to know who asks, or does not accept who does.
    #[error("registry {registry} gives no access to repository {repository}: {why}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// What to do.
        why: String,
    },
    /// It knows who asks and denies it.
    #[error(
        "registry {registry} does not let {user} {action} repository {repository}: ask its \
         operator for that right"
    )]
    Forbidden {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// Who asked.
        user: String,
        /// What was asked for.
        action: &'static str,
    },
    /// It has no such thing.
    #[error(
        "registry {registry} has no {what} in repository {repository}: check the name, or deploy \
         the application again to put it there"
    )]
    NotFound {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// What was asked for.
        what: String,
    },
    /// It answers with another status than it should.
    #[error("registry {registry} answers {status}{codes} when asked for {what}")]
    Refused {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
        /// The specification's codes that it names, in brackets; empty when there are none.
        codes: String,
    },
    /// It answers as no registry does.
    #[error("registry {registry}, asked for {what}: {why}")]
    Malformed {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// It sends more than there may be.
    #[error("registry {registry} sends more than {bytes_max} bytes as {what}")]
    TooLarge {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The bound.
        bytes_max: u64,
    },
    /// It sends less than it should.
    #[error("registry {registry} ends {what} after {got} bytes, {expected} were expected")]
    Short {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// Where the bytes should have ended.
        expected: u64,
        /// Where they ended.
        got: u64,
    },
    /// It sends other bytes than asked for.
    #[error("registry {registry} sends other bytes as {what}: their digest is {got}")]
    WrongDigest {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The digest of the bytes that came.
        got: Digest,
    },
    /// It fell silent, or sends too slowly.
    #[error("registry {registry} is too slow with {what}: {why}")]
    Slow {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// How slow.
        why: String,
    },
    /// What is to be put there is not what it should be.
    #[error("{what} can't be put into a registry: {why}")]
    Unfit {
        /// What was to be put there.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}
