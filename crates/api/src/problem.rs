//! Problem documents (RFC 9457): every error that the API gives.
//!
//! A code, once given out, keeps its name and meaning: programs depend on it. The contracts'
//! codes ([`RejectCode`]) are codes here too, so that a refusal reads the same whether a
//! node or the ledger gave it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey,
    reject::{RejectCode, Rejection},
};

/// Content type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";
const TYPE_PREFIX: &str = "urn:trustmesh:problem:";

macro_rules! own_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// A contract's rule, found broken by the ledger or before it.
            Rejected(RejectCode),
        }

        impl ErrorCode {
            /// The codes that are not a contract's.
            pub const OWN: &'static [Self] = &[$(Self::$variant),*];

            /// The code as text.
            #[must_use]
            pub fn name(&self) -> String {
                match self {
                    $(Self::$variant => $name.to_owned(),)*
                    Self::Rejected(code) => code.to_string(),
                }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(&self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                    Self::Rejected(code) => reject_status(*code),
                }
            }

            /// A title for people; the same for every occurrence.
            #[must_use]
            pub const fn title(&self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                    Self::Rejected(_) => "The ledger's rules refuse this",
                }
            }
        }
    };
}

own_codes! {
    /// The body is no JSON, or not of the form that the path takes.
    BadJson = "bad_json", 400, "The body is not the JSON that this takes";
    /// A query or path parameter is malformed.
    BadParameter = "bad_parameter", 400, "A parameter is malformed";
    /// Bytes of a transaction or certificate don't decode.
    BadEncoding = "bad_encoding", 400, "The bytes do not decode";
    /// Authentication is missing or wrong.
    Unauthorized = "unauthorized", 401, "The request is not signed by a key that may make it";
    /// The signer is known, and may not.
    Forbidden = "forbidden", 403, "The signer may not do this";
    /// Nothing is there.
    NotFound = "not_found", 404, "There is nothing here";
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed", 405, "The path does not take this method";
    /// The client took too long to send.
    RequestTimeout = "request_timeout", 408, "The request took too long to arrive";
    /// The result is not there yet: ask again.
    ResultPending = "result_pending", 409, "The result is not there yet";
    /// The request ended without a result; the detail says why.
    NoResult = "no_result", 410, "The request ended without a result";
    /// The result was held as long as promised, and is gone.
    ResultExpired = "result_expired", 410, "The result is no longer held";
    /// The block's content is older than what this node keeps; its header is still there.
    Pruned = "pruned", 410, "The block is older than what this node keeps";
    /// The body is too large.
    TooLarge = "too_large", 413, "The body is too large";
    /// The content type is not what the path takes.
    UnsupportedMediaType = "unsupported_media_type", 415, "The content type is not taken here";
    /// This node does not hold the result or the placements; `holders` do.
    NotAHolder = "not_a_holder", 421, "Other nodes hold this";
    /// Well-formed, but it can't be meant so.
    Invalid = "invalid", 422, "The content is not valid";
    /// The transaction can't be included: expired, replayed, of another network or not signed.
    InvalidTransaction = "invalid_transaction", 422, "The transaction cannot be included";
    /// Too many requests from one key or address; `Retry-After` says when to come back.
    RateLimited = "rate_limited", 429, "Too many requests";
    /// A bug of ours.
    Internal = "internal", 500, "The node failed";
    /// Not now: starting, stopping, catching up, or too few validators answer.
    Unavailable = "unavailable", 503, "Not available now";
    /// It was not done in time, and may yet be done.
    Timeout = "timeout", 504, "It was not done in time";
}

const fn reject_status(code: RejectCode) -> u16 {
    use RejectCode as C;
    match code {
        C::WrongRole | C::UnknownDevice | C::NotDesignated | C::NotAssigned => 403,
        C::UnknownMember | C::UnknownApp | C::UnknownWorkflow | C::UnknownRequest => 404,
        C::TooManyRequests => 429,
        C::InvalidValue
        | C::BadSignature
        | C::TooFewReceipts
        | C::InvalidWorkflow
        | C::BadDeadline
        | C::InputMismatch
        | C::MissingCompletions => 422,
        _ => 409,
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        if let Some(code) = Self::OWN.iter().find(|c| c.name() == name) {
            return Ok(*code);
        }
        serde_json::from_value(Value::String(name)).map(Self::Rejected).map_err(D::Error::custom)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// A URI that names the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, where, and what to do, in a sentence.
    pub detail: String,
    /// The stable code.
    pub code: ErrorCode,
    /// Which occurrence: the path asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What some codes add: `holders`, `retry_after_ms`, `line`, `column`, `fault`.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Problem {
    /// A problem of a code.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("{TYPE_PREFIX}{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            instance: None,
            extra: BTreeMap::new(),
        }
    }

    /// Says which path it was.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.instance = Some(path.into());
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// "Others hold it."
    #[must_use]
    pub fn not_a_holder(detail: impl Into<String>, holders: &[PublicKey]) -> Self {
        let keys: Vec<String> = holders.iter().map(PublicKey::to_string).collect();
        Self::new(ErrorCode::NotAHolder, detail).with("holders", keys)
    }

    /// "Come back later."
    #[must_use]
    pub fn rate_limited(detail: impl Into<String>, retry_after_ms: u64) -> Self {
        Self::new(ErrorCode::RateLimited, detail).with("retry_after_ms", retry_after_ms)
    }

    /// Who holds what this node does not.
    #[must_use]
    pub fn holders(&self) -> Vec<PublicKey> {
        let keys = self.extra.get("holders").and_then(Value::as_array).into_iter().flatten();
        keys.filter_map(|k| k.as_str()?.parse().ok()).collect()
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.extra.get("retry_after_ms").and_then(Value::as_u64)
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let problem = Self::new(ErrorCode::Rejected(rejection.code), rejection.reason);
        if rejection.fault { problem.with("fault", true) } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names_and_come_back() {
        for code in ErrorCode::OWN {
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<ErrorCode>(&text).unwrap(), *code);
            assert!((400..600).contains(&code.status()));
            let reject: Result<RejectCode, _> = serde_json::from_str(&text);
            assert!(reject.is_err(), "{text} is a contract's code too");
        }
        let code = ErrorCode::Rejected(RejectCode::UnknownWorkflow);
        assert_eq!(serde_json::to_string(&code).unwrap(), "\"unknown_workflow\"");
        assert_eq!(serde_json::from_str::<ErrorCode>("\"unknown_workflow\"").unwrap(), code);
        assert!(serde_json::from_str::<ErrorCode>("\"nonsense\"").is_err());
    }

    #[test]
    fn a_problem_document_as_it_travels() {
        let key = PublicKey([7; 32]);
        let problem = Problem::not_a_holder("ask them", &[key]).at("/v1/requests/ab/result");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:trustmesh:problem:not_a_holder");
        assert_eq!(json["status"], 421);
        assert_eq!(json["holders"][0], key.to_string());
        let back: Problem = serde_json::from_value(json).unwrap();
        assert_eq!(back, problem);
        assert_eq!(back.holders(), [key]);
        let refused = Problem::from(Rejection::new(RejectCode::WorkflowRetired, "it is retired"));
        assert_eq!((refused.status, refused.code.name().as_str()), (409, "workflow_retired"));
        assert_eq!(Problem::rate_limited("slow down", 250).retry_after_ms(), Some(250));
    }
}
