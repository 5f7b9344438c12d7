//! Asking one node by itself how it is: for whoever looks for what is wrong, where [`Client`]
//! would go on to another node.
//!
//! [`Client`]: crate::Client

use crate::{
    endpoint::Endpoint,
    http::{Connection, Raw},
    options::Options,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trustmesh_api::{LedgerStatus, paths};
use trustmesh_types::NetworkId;

/// How far a clock is ahead of this machine's, in milliseconds; behind it when negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// In the middle of what is possible.
    pub ahead_ms: i64,
    /// The true offset is at most this far from it: HTTP tells whole seconds.
    pub within_ms: i64,
}

/// What a node said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where it stands.
    pub status: LedgerStatus,
    /// From asking to the whole answer.
    pub round_trip: Duration,
    /// Its clock against this machine's; `None` when it does not tell the time.
    pub clock: Option<ClockOffset>,
}

/// Asks a node where it stands, and what time it is there.
///
/// # Errors
/// Why there is no answer, for people.
pub async fn probe(
    endpoint: Endpoint,
    network: NetworkId,
    options: &Options,
) -> Result<Probe, String> {
    let connection = Connection::new(endpoint, network, options).map_err(|e| e.to_string())?;
    // The first exchange opens the connection, whose time would blur the clock's.
    let raw = connection.raw(paths::LEDGER_STATUS, options.answer_timeout).await?;
    let status: LedgerStatus = serde_json::from_slice(&raw.body)
        .map_err(|e| format!("an answer that can't be read: {e}"))?;
    if status.network != network {
        return Err(format!("it works in network {}", status.network.short()));
    }
    let begun = SystemTime::now();
    let raw = connection.raw(paths::HEALTHZ, options.answer_timeout).await?;
    let round_trip = begun.elapsed().unwrap_or_default();
    let clock = offset(&raw, begun, round_trip);
    Ok(Probe { status, round_trip, clock })
}

/// The text that a node gives for a path, of any type.
///
/// # Errors
/// As [`probe`].
pub async fn text(
    endpoint: Endpoint,
    network: NetworkId,
    path: &str,
    options: &Options,
) -> Result<String, String> {
    let connection = Connection::new(endpoint, network, options).map_err(|e| e.to_string())?;
    let raw = connection.raw(path, options.answer_timeout).await?;
    String::from_utf8(raw.body).map_err(|_| "the answer is no text".to_owned())
}

fn offset(raw: &Raw, begun: SystemTime, round_trip: Duration) -> Option<ClockOffset> {
    let said_ms = unix_s(raw.date.as_deref()?)?.checked_mul(1_000)?;
    let begun_ms = i64::try_from(begun.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    let half_ms = i64::try_from(round_trip.as_millis() / 2).ok()?;
    // The second that was named had begun, and had not ended, somewhere within the round trip.
    let ahead_ms = said_ms.checked_add(500)?.checked_sub(begun_ms.checked_add(half_ms)?)?;
    Some(ClockOffset { ahead_ms, within_ms: 500 + half_ms })
}

/// Unix seconds of an HTTP date (RFC 9110, section 5.6.7, the form that senders must use).
fn unix_s(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = date.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next().filter(|name| name.len() == 3)?;
    let month = i64::try_from(MONTHS.find(name)? / 3).ok()? + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    let fits = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !fits || parts.next() != Some("GMT") || !(0..24).contains(&h) || !(0..60).contains(&m) {
        return None;
    }
    // Days since 1970 in the Gregorian calendar, with years that begin in March.
    let (y, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719_468;
    Some(days * 86_400 + h * 3_600 + m * 60 + s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        for (date, want) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("", None),
        ] {
            assert_eq!(unix_s(date), want, "{date}");
        }
    }

    #[test]
    fn a_clock_is_told_within_half_a_second_and_half_the_round_trip() {
        let raw = Raw { date: Some("Thu, 01 Jan 1970 00:01:40 GMT".to_owned()), body: vec![] };
        let begun = UNIX_EPOCH + Duration::from_millis(95_000);
        let found = offset(&raw, begun, Duration::from_millis(200));
        assert_eq!(found, Some(ClockOffset { ahead_ms: 5_400, within_ms: 600 }));
    }
}
