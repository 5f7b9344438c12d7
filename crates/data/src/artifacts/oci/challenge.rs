//! What a registry says that it wants: the header `WWW-Authenticate` (RFC 9110, section 11.6.1;
//! the bearer scheme's parameters as in Docker's token authentication specification).
//!
//! Invariant: whatever comes, parsing ends, and nothing outside of the known schemes is kept.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use std::collections::BTreeMap;

/// Longest header that is looked at.
const HEADER_BYTES_MAX: usize = 4 * 1024;

/// What a registry wants.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    /// A user's name and password.
    pub basic: bool,
    /// A token of a server.
    pub bearer: Option<Bearer>,
}

/// Where a token is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The token server's address.
    pub realm: String,
    /// The registry as the token server knows it.
    pub service: Option<String>,
}

impl Wanted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            if let Some(text) = value.to_str().ok().filter(|it| it.len() <= HEADER_BYTES_MAX) {
                wanted.take(text);
            }
        }
        wanted
    }

    fn take(&mut self, text: &str) {
        for (scheme, mut parameters) in challenges(text) {
            if scheme.eq_ignore_ascii_case("basic") {
                self.basic = true;
            } else if scheme.eq_ignore_ascii_case("bearer")
                && self.bearer.is_none()
                && let Some(realm) = parameters.remove("realm")
            {
                self.bearer = Some(Bearer { realm, service: parameters.remove("service") });
            }
        }
    }
}

/// Schemes with their parameters, by names in lower case.
fn challenges(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|it| !is_token(it)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                parameters.insert(word.to_ascii_lowercase(), value);
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push((word.to_owned(), BTreeMap::new()));
                rest = after;
            }
        }
    }
}

/// A parameter's value, quoted or not, and what comes after it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|it| !is_token(it)).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if !escaped => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' if !escaped => escaped = true,
            other => {
                value.push(other);
                escaped = false;
            }
        }
    }
    (value, "")
}

const fn is_token(character: char) -> bool {
    character.is_ascii_graphic() && !matches!(character, '"' | ',' | '=' | '(' | ')' | ';' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(text: &str) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.take(text);
        wanted
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Bearer> {
        Some(Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
    }

    #[test]
    fn challenges_as_registries_send_them() {
        let docker = r#"Bearer realm="https://a.example/token",service="r.example",scope="x:y,z""#;
        let expected = bearer("https://a.example/token", Some("r.example"));
        assert_eq!(wanted(docker), Wanted { basic: false, bearer: expected });
        assert!(wanted(r#"Basic realm="Registry Realm""#).basic);
        let both = r#"Basic realm="a, b", bearer REALM = https://a.example , error="x\"y""#;
        let expected = Wanted { basic: true, bearer: bearer("https://a.example", None) };
        assert_eq!(wanted(both), expected);
        assert_eq!(wanted("Negotiate"), Wanted::default());
        assert_eq!(wanted("Bearer service=x"), Wanted::default());
    }

    #[test]
    fn headers_that_are_too_long_are_not_looked_at() {
        let mut headers = HeaderMap::new();
        let long = format!("Basic realm=\"{}\"", "x".repeat(HEADER_BYTES_MAX));
        headers.append(WWW_AUTHENTICATE, long.parse().unwrap());
        assert_eq!(Wanted::of(&headers), Wanted::default());
        headers.append(WWW_AUTHENTICATE, "Basic".parse().unwrap());
        assert!(Wanted::of(&headers).basic);
    }

    proptest! {
        #[test]
        fn whatever_comes_it_ends(text in r#"[ -~äß",=\\]{0,200}"#) {
            wanted(&text);
        }
    }
}
