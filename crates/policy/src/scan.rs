//! Bounds on an expression's text, before anything parses it: length, brackets inside each
//! other, signs in a row. So the parser's recursion is bounded by what is counted here.
//!
//! Only the plain form of CEL passes: printable ASCII outside of strings; strings in single
//! or double quotes on one line; no raw, byte or triple-quoted strings, comments, braces or
//! escaped names. This scanner and the parser then agree on where a string ends.

use crate::error::PolicyError;
use trustmesh_types::limits;

/// Signs (`!`, `-`) in a row before a value.
const SIGNS_MAX: usize = 4;
/// Conditionals in one expression: the parser recurses for each.
const CONDITIONALS_MAX: usize = 16;

struct Scan {
    line: usize,
    column: usize,
    brackets: usize,
    signs: usize,
    conditionals: usize,
    /// The last character that is no blank, outside of strings.
    last: char,
}

/// Checks the text.
pub(crate) fn check(text: &str) -> Result<(), PolicyError> {
    let (got, max) = (text.len(), limits::POLICY_EXPRESSION_BYTES_MAX);
    if got > max {
        return Err(PolicyError::TooLarge { what: "a length in bytes of", got, max });
    }
    if text.trim().is_empty() {
        return Err(PolicyError::Empty);
    }
    let mut scan = Scan { line: 1, column: 0, brackets: 0, signs: 0, conditionals: 0, last: ' ' };
    let mut chars = text.chars();
    let mut before = ' ';
    while let Some(c) = scan.next(&mut chars) {
        if c == '"' || c == '\'' {
            scan.string(c, before, &mut chars)?;
        } else {
            scan.outside(c)?;
        }
        before = c;
    }
    Ok(())
}

impl Scan {
    fn next(&mut self, chars: &mut std::str::Chars<'_>) -> Option<char> {
        let c = chars.next()?;
        if c == '\n' {
            (self.line, self.column) = (self.line.saturating_add(1), 0);
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    fn wrong(&self, what: impl Into<String>) -> PolicyError {
        PolicyError::Text { line: self.line, column: self.column, what: what.into() }
    }

    /// From after a string's opening quote to its closing one.
    fn string(
        &mut self,
        quote: char,
        before: char,
        chars: &mut std::str::Chars<'_>,
    ) -> Result<(), PolicyError> {
        if before.is_ascii_alphanumeric() || before == '_' || before == '"' || before == '\'' {
            return Err(self.wrong(
                "a string can't follow right after a letter, digit or quote: raw, byte and \
                 triple-quoted strings can't be used",
            ));
        }
        (self.signs, self.last) = (0, quote);
        loop {
            match self.next(chars) {
                Some('\\') => match self.next(chars) {
                    Some('\\' | '"' | '\'') => {}
                    _ => return Err(self.wrong("of escapes, only \\\\, \\\" and \\' can be used")),
                },
                Some(c) if c == quote => return Ok(()),
                Some(c) if !c.is_control() => {}
                Some(_) => return Err(self.wrong("a string must stay on one line")),
                None => return Err(self.wrong(format!("the string has no closing {quote}"))),
            }
        }
    }

    fn outside(&mut self, c: char) -> Result<(), PolicyError> {
        match c {
            ' ' | '\n' => return Ok(()),
            '(' | '[' => {
                self.brackets = self.brackets.saturating_add(1);
                let (got, max) = (self.brackets, limits::POLICY_BRACKETS_MAX);
                if got > max {
                    let what = "brackets inside each other, in number";
                    return Err(PolicyError::TooLarge { what, got, max });
                }
            }
            ')' | ']' => self.brackets = self.brackets.saturating_sub(1),
            '?' => {
                self.conditionals = self.conditionals.saturating_add(1);
                let (got, max) = (self.conditionals, CONDITIONALS_MAX);
                if got > max {
                    let what = "conditionals, in number";
                    return Err(PolicyError::TooLarge { what, got, max });
                }
            }
            '/' if self.last == '/' => {
                return Err(self.wrong("comments can't be used; say it in the message"));
            }
            '{' | '}' => return Err(self.wrong("maps and messages can't be used")),
            'a'..='z' | 'A'..='Z' | '0'..='9' => {}
            '_' | '.' | ',' | ':' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '=' | '>' | '&'
            | '|' => {}
            _ => return Err(self.wrong(format!("{c:?} can't be used outside of a string"))),
        }
        self.signs = if matches!(c, '!' | '-') { self.signs.saturating_add(1) } else { 0 };
        if self.signs > SIGNS_MAX {
            return Err(self.wrong("too many signs in a row"));
        }
        self.last = c;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_bounded_text_passes() {
        for good in [
            "a == 'x'",
            "a == \"it's \\\"x\\\" é\"\n  && (b[0] > -1 || !c)",
            "size(a.b) % 2 == 0 ? true : false",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let deep = "(".repeat(limits::POLICY_BRACKETS_MAX + 1);
        let signs = "-".repeat(5);
        let ifs = "a?b:".repeat(17);
        let long = "a".repeat(limits::POLICY_EXPRESSION_BYTES_MAX + 1);
        for bad in [
            "", " \n ", "r'x'", "b\"x\"", "'''x'''", "''''", "'x", "'x\ny'", "'\\n'", "a // b",
            "{}", "{'a': 1}", "`a`", "a@b", "é", "a\tb", "a;b", "#", &deep, &signs, &ifs, &long,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let error = check("a\n && {}").unwrap_err().to_string();
        assert!(error.starts_with("line 2, column 5:"), "{error}");
    }
}
