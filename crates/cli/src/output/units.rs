//! Amounts for people.

use trustmesh_types::resources::{MIB, Resources};

/// Milliseconds with one decimal, from microseconds.
pub fn ms(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

/// A length of time from milliseconds, in the unit that suits it.
pub fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// Resources in short.
pub fn resources(amount: &Resources) -> String {
    format!("{}m cpu, {} MiB", amount.cpu_millis, amount.memory_bytes / MIB)
}

/// Bytes in the unit that suits them.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / MIB),
    }
}

/// The UTC date of a Unix time in seconds, `YYYY-MM-DD` (proleptic Gregorian; the method is
/// Howard Hinnant's `civil_from_days`, in years that start in March).
pub fn utc_date(unix_s: u64) -> String {
    let days = unix_s / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// UTC date and time of Unix milliseconds, `YYYY-MM-DD HH:MM:SS`.
pub fn utc(unix_ms: u64) -> String {
    let s = unix_ms / 1_000;
    format!("{} {:02}:{:02}:{:02}", utc_date(s), s / 3_600 % 24, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown() {
        assert_eq!(span(999), "999 ms");
        assert_eq!(span(1_250), "1.2 s");
        assert_eq!(span(61_000), "1 min 1 s");
        assert_eq!(ms(12_345), "12.3 ms");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (s, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(utc_date(s), date);
        }
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59");
    }
}
