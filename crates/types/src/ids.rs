//! Newtypes for every identifier.
//!
//! [`NetworkId`], [`TxId`] and [`RequestId`] are digests of what they name, so they can't
//! be squatted. [`AppId`], [`WorkflowId`], [`TaskId`] and [`PolicyId`] are names that an operator chose:
//! 1 to 64 characters of `a-z 0-9 - _ .`, starting with a letter or digit.

use crate::{digest::Digest, text::ParseHexError};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.short())
            }
        }
        impl FromStr for $name {
            type Err = ParseHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Digest::from_str(text).map(Self)
            }
        }
        impl $name {
            /// The first 12 hexadecimal digits, for tables and logs.
            #[must_use]
            pub fn short(&self) -> String {
                self.0.short()
            }
        }
    };
}

digest_id! {
    /// The network: digest of its genesis ([`crate::genesis::Genesis::network_id`]).
    NetworkId
}
digest_id! {
    /// A transaction: digest of its unsigned bytes; counts once on a ledger.
    TxId
}
digest_id! {
    /// A request: digest of the body that its device signed.
    RequestId
}

/// A name was empty, too long, or had a character that names don't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} {got:?} is not a name: use 1 to 64 characters of a-z, 0-9, '-', '_' and '.', starting with a letter or digit"
)]
pub struct NameError {
    /// What was to be named.
    pub kind: &'static str,
    /// What was given, cut to 80 characters.
    pub got: String,
}

fn check_name(kind: &'static str, text: &str) -> Result<(), NameError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if first && text.len() <= crate::limits::NAME_BYTES_MAX && text.chars().all(inner) {
        return Ok(());
    }
    Err(NameError { kind, got: text.chars().take(80).collect() })
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`NameError`] when `text` is no name.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name($kind, text)?;
                Ok(Self(text.to_owned()))
            }
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl BorshDeserialize for $name {
            fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
                let text = String::deserialize_reader(reader)?;
                Self::new(&text)
                    .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e.to_string()))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as Deserialize>::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }
    };
}

name_id! {
    /// A deployed application.
    AppId, "application id"
}
name_id! {
    /// A workflow.
    WorkflowId, "workflow id"
}
name_id! {
    /// A task within a workflow.
    TaskId, "task id"
}
name_id! {
    /// A network-defined rule.
    PolicyId, "policy id"
}
