//! The clock and the randomness that signing needs, in one place.

use crate::error::ClientError;
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A number that nobody has used before, as good as surely.
pub(crate) fn nonce() -> Result<u64, ClientError> {
    getrandom::u64().map_err(|e| ClientError::Local {
        what: format!("the operating system gives no randomness: {e}"),
    })
}
