//! Amounts as people write them: bytes (`64MiB`, `1GB`, `4096 B`) and processor time (`200m`,
//! `0.5`, `2` cores). Whole numbers underneath: bytes and thousandths of a core.

/// A text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is no amount of {what}: write {example}")]
pub struct UnitError {
    /// What was given, cut to 40 characters.
    pub got: String,
    /// What it should be an amount of.
    pub what: &'static str,
    /// How one is written.
    pub example: &'static str,
}

fn error(got: &str, what: &'static str, example: &'static str) -> UnitError {
    UnitError { got: got.chars().take(40).collect(), what, example }
}

/// Reads an amount of bytes; only nothing at all needs no unit.
///
/// # Errors
/// [`UnitError`].
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let error = || error(text, "bytes", "a whole number with a unit, as in 64MiB, 1GiB or 500MB");
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let factor = match unit.trim_start() {
        "" if number == 0 => 1,
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return Err(error()),
    };
    number.checked_mul(factor).ok_or_else(error)
}

/// Reads an amount of processor time, in thousandths of a core.
///
/// # Errors
/// [`UnitError`].
pub fn cpu_millis(text: &str) -> Result<u64, UnitError> {
    let error = || error(text, "processor time", "200m, or cores as in 0.5 or 2");
    let trimmed = text.trim();
    if let Some(millis) = trimmed.strip_suffix('m') {
        return number(millis).ok_or_else(error);
    }
    let (whole, part) = trimmed.split_once('.').unwrap_or((trimmed, "0"));
    if part.is_empty() || part.len() > 3 {
        return Err(error());
    }
    let (whole, part) = (number(whole), number(&format!("{part:0<3}")));
    let millis = whole.and_then(|whole| whole.checked_mul(1_000)?.checked_add(part?));
    millis.ok_or_else(error)
}

/// Digits and nothing else: `u64::from_str` takes a sign, too.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::{bytes, cpu_millis};

    #[test]
    fn bytes_with_a_unit() {
        for (text, want) in [
            ("0", 0),
            ("4096B", 4_096),
            ("1 B", 1),
            ("64MiB", 64 << 20),
            (" 2 Gi ", 2 << 30),
            ("5kB", 5_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for text in [
            "",
            "64",
            "MiB",
            "-1",
            "1.5GiB",
            "1 parsec",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            let said = bytes(text).unwrap_err().to_string();
            assert!(said.contains("64MiB"), "{text}: {said}");
        }
    }

    #[test]
    fn cores_and_their_thousandths() {
        for (text, want) in
            [("200m", 200), ("0.5", 500), ("2", 2_000), ("1.25", 1_250), ("0.001", 1), ("0m", 0)]
        {
            assert_eq!(cpu_millis(text), Ok(want), "{text}");
        }
        for text in ["", "m", ".5", "1.", "1.2345", "-1", "+1", "1e3", "18446744073709551615"] {
            let said = cpu_millis(text).unwrap_err().to_string();
            assert!(said.contains("200m"), "{text}: {said}");
        }
    }
}
