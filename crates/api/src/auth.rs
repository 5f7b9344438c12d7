//! Signed HTTP requests: how a device, operator or node says who it is.
//!
//! Three headers: the key, the time, and the signature ([`Domain::Http`]) over method, path
//! with query, time and the body's digest. TLS says who the *server* is and keeps others
//! from listening; a signature copied by the server itself would open only what that server
//! has anyway, for as long as [`MAX_SKEW_MS`].

use trustmesh_types::{Digest, Domain, NetworkId, PublicKey, SecretKey, Signature};

/// Header with the signer's public key.
pub const KEY_HEADER: &str = "trustmesh-key";
/// Header with the signer's time, Unix milliseconds.
pub const TIME_HEADER: &str = "trustmesh-time";
/// Header with the signature.
pub const SIGNATURE_HEADER: &str = "trustmesh-signature";
/// How far the signer's time may be from the server's.
pub const MAX_SKEW_MS: u64 = 60_000;

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query as on the request line.
    pub target: &'a str,
    /// The body; empty when there is none.
    pub body: &'a [u8],
}

/// The three headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// Of [`KEY_HEADER`].
    pub key: PublicKey,
    /// Of [`TIME_HEADER`].
    pub time_ms: u64,
    /// Of [`SIGNATURE_HEADER`].
    pub signature: Signature,
}

/// Why a call is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A header is missing.
    #[error("the header {header} is missing: sign the request with the key that may make it")]
    Missing {
        /// The header.
        header: &'static str,
    },
    /// A header is malformed.
    #[error("the header {header} is malformed: {reason}")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The signer's time is too far off.
    #[error(
        "the request was signed {off_ms} ms away from this node's time, at most {MAX_SKEW_MS} ms are allowed: set the clock"
    )]
    Skew {
        /// How far.
        off_ms: u64,
    },
    /// The signature does not fit.
    #[error("the signature does not fit the request, its time and the key {}", key.short())]
    BadSignature {
        /// The key named.
        key: PublicKey,
    },
}

impl Call<'_> {
    fn message(&self, time_ms: u64) -> String {
        let Self { method, target, body } = self;
        format!("{method}\n{target}\n{time_ms}\n{}", Digest::of(body))
    }

    /// Signs the call at a time.
    #[must_use]
    pub fn sign(&self, key: &SecretKey, network: &NetworkId, time_ms: u64) -> Headers {
        let signature = key.sign(Domain::Http, network, self.message(time_ms).as_bytes());
        Headers { key: key.public(), time_ms, signature }
    }

    /// Checks the headers of a call and gives its signer; whether that signer may make it is
    /// the caller's to say.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn verify(
        &self,
        headers: &Headers,
        network: &NetworkId,
        now_ms: u64,
    ) -> Result<PublicKey, AuthError> {
        let off_ms = headers.time_ms.abs_diff(now_ms);
        if off_ms > MAX_SKEW_MS {
            return Err(AuthError::Skew { off_ms });
        }
        let message = self.message(headers.time_ms);
        let key = headers.key;
        key.verify(Domain::Http, network, message.as_bytes(), &headers.signature)
            .map_err(|_| AuthError::BadSignature { key })?;
        Ok(key)
    }
}

impl Headers {
    /// Reads the headers; `header` gives a header's value by its name.
    ///
    /// # Errors
    /// [`AuthError::Missing`] or [`AuthError::Malformed`].
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Self, AuthError> {
        Ok(Self {
            key: field(&header, KEY_HEADER)?,
            time_ms: field(&header, TIME_HEADER)?,
            signature: field(&header, SIGNATURE_HEADER)?,
        })
    }

    /// The headers as names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, String); 3] {
        [
            (KEY_HEADER, self.key.to_string()),
            (TIME_HEADER, self.time_ms.to_string()),
            (SIGNATURE_HEADER, self.signature.to_string()),
        ]
    }
}

fn field<'a, T>(
    header: &impl Fn(&str) -> Option<&'a str>,
    name: &'static str,
) -> Result<T, AuthError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = header(name).ok_or(AuthError::Missing { header: name })?;
    text.parse().map_err(|e: T::Err| AuthError::Malformed { header: name, reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'_> =
        Call { method: "GET", target: "/v1/requests/ab/result?wait=30s", body: b"" };

    #[test]
    fn a_signature_fits_one_call_key_network_and_time() {
        let (key, network) = (SecretKey::from_seed([7; 32]), NetworkId(Digest([1; 32])));
        let headers = CALL.sign(&key, &network, 1_000_000);
        let pairs = headers.pairs();
        let read = Headers::read(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
        });
        assert_eq!(read.as_ref(), Ok(&headers));
        assert_eq!(CALL.verify(&headers, &network, 1_060_000), Ok(key.public()));
        let skew = CALL.verify(&headers, &network, 1_060_001).unwrap_err();
        assert!(skew.to_string().contains("60001 ms"), "{skew}");
        for other in [
            Call { method: "POST", ..CALL },
            Call { target: "/v1/requests/ac/result?wait=30s", ..CALL },
            Call { body: b"x", ..CALL },
        ] {
            assert!(other.verify(&headers, &network, 1_000_000).is_err());
        }
        assert!(CALL.verify(&headers, &NetworkId(Digest([2; 32])), 1_000_000).is_err());
        let later = Headers { time_ms: 1_000_001, ..headers.clone() };
        assert!(CALL.verify(&later, &network, 1_000_000).is_err());
        let another = Headers { key: SecretKey::from_seed([8; 32]).public(), ..headers };
        assert!(CALL.verify(&another, &network, 1_000_000).is_err());
    }

    #[test]
    fn missing_and_malformed_headers_are_named() {
        let missing = Headers::read(|_| None).unwrap_err();
        assert_eq!(missing, AuthError::Missing { header: KEY_HEADER });
        let malformed = Headers::read(|_| Some("zz")).unwrap_err();
        assert!(malformed.to_string().contains("trustmesh-key is malformed"), "{malformed}");
    }
}
