//! Finds the value of the top-level key `data` in a JSON object without building it.
//!
//! The host makes the object, so the scan checks structure only as far as it needs:
//! strings, nesting and the separators of the outermost level (RFC 8259). Values inside
//! are passed on as they are. The scan is one loop, so nesting costs no stack.

use std::fmt;

/// The input is not a JSON object, or has no `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("input: expected a JSON object with a key \"data\"")
    }
}

impl std::error::Error for Refused {}

/// The bytes of `data`'s value; the last one if the key stands there twice.
///
/// # Errors
/// [`Refused`] when there is none.
pub fn data_of(input: &[u8]) -> Result<&[u8], Refused> {
    let mut rest = expect(input, b'{')?;
    let mut found = None;
    while rest.first() != Some(&b'}') {
        let (key, after) = rest.split_at_checked(string_length(rest)?).ok_or(Refused)?;
        let value = expect(after, b':')?;
        let (value, after) = value.split_at_checked(value_length(value)?).ok_or(Refused)?;
        if key == b"\"data\"" {
            found = Some(value.trim_ascii_end());
        }
        rest = match after.first() {
            Some(b',') => expect(after, b',')?,
            _ => after,
        };
    }
    found.ok_or(Refused)
}

/// What follows `wanted` and the white space on both its sides.
fn expect(input: &[u8], wanted: u8) -> Result<&[u8], Refused> {
    match input.trim_ascii_start().split_first() {
        Some((first, rest)) if *first == wanted => Ok(rest.trim_ascii_start()),
        _ => Err(Refused),
    }
}

/// Length of the string that `input` starts with, both quotes included.
fn string_length(input: &[u8]) -> Result<usize, Refused> {
    let mut bytes = input.iter().enumerate();
    if bytes.next().map(|(_, byte)| *byte) != Some(b'"') {
        return Err(Refused);
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    Err(Refused)
}

/// Length of the value that `input` starts with, up to the `,` or `}` that ends it.
fn value_length(input: &[u8]) -> Result<usize, Refused> {
    let mut at = 0;
    let mut depth = 0_u64;
    while let Some(byte) = input.get(at) {
        match byte {
            b'"' => {
                at += string_length(input.get(at..).unwrap_or_default())?;
                continue;
            }
            b',' | b'}' if depth == 0 => break,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1).ok_or(Refused)?,
            _ => {}
        }
        at += 1;
    }
    if at == 0 { Err(Refused) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_out_as_it_went_in() {
        for (input, data) in [
            (r#"{"data":1}"#, "1"),
            (r#" { "inputs" : {"data":0} , "data" : [1, {"a":"},"}] } "#, r#"[1, {"a":"},"}]"#),
            (r#"{"data":"a\"b\\","params":{}}"#, r#""a\"b\\""#),
            (r#"{"total_task_time":0.5,"data":null}"#, "null"),
            (r#"{"data":{}}"#, "{}"),
        ] {
            assert_eq!(data_of(input.as_bytes()), Ok(data.as_bytes()), "{input}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for input in [
            "",
            "{",
            "[]",
            "{}",
            "7",
            r#"{"data"}"#,
            r#"{"data":}"#,
            r#"{"data":"x}"#,
            r#"{"data":[1"#,
            r#"{"data":1]}"#,
            r#"{"a":{"data":1}}"#,
            r#"{data:1}"#,
            "\u{0}",
        ] {
            assert_eq!(data_of(input.as_bytes()), Err(Refused), "{input}");
        }
    }
}
