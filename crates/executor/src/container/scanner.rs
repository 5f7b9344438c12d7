//! Finds the end of one JSON object in bytes as they come: linear, whatever comes.

/// How far an object has come.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// What more bytes made of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The object goes on.
    Open,
    /// It ends after this many of the bytes.
    Whole(usize),
    /// It is no object.
    NoObject,
}

impl Scanner {
    /// The bytes go on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scanned {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' if self.depth > 0 => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' if self.depth > 0 || *byte == b'{' => {
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Scanned::Whole(at.saturating_add(1));
                    }
                }
                _ if self.depth > 0 || byte.is_ascii_whitespace() => {}
                _ => return Scanned::NoObject,
            }
        }
        Scanned::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_an_object() {
        for (text, expected) in [
            ("{}", Scanned::Whole(2)),
            (" \n{\"a\": [1, {\"b\": \"}\"}]} {", Scanned::Whole(24)),
            (r#"{"a": "\"}"}x"#, Scanned::Whole(12)),
            (r#"{"a": "\\"}"#, Scanned::Whole(11)),
            ("{\"a\": [", Scanned::Open),
            ("", Scanned::Open),
            (" ", Scanned::Open),
            ("[1]", Scanned::NoObject),
            ("null", Scanned::NoObject),
            ("}", Scanned::NoObject),
            ("HTTP/1.1 200 OK", Scanned::NoObject),
            ("\"{\"", Scanned::NoObject),
        ] {
            assert_eq!(Scanner::default().feed(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_object_ends_where_it_does_however_it_is_cut(
            texts in prop::collection::vec(".{0,8}", 0..6),
            cut in 1usize..16,
        ) {
            let object = serde_json::json!({ "data": texts, "n": { "m": [[], {}] } }).to_string();
            let mut scanner = Scanner::default();
            let mut at = 0;
            let mut end = None;
            for piece in object.as_bytes().chunks(cut) {
                match scanner.feed(piece) {
                    Scanned::Open => at += piece.len(),
                    Scanned::Whole(within) => end = Some(at + within),
                    Scanned::NoObject => prop_assert!(false, "{}", object),
                }
            }
            prop_assert_eq!(end, Some(object.len()));
        }
    }
}
