//! Rules for each `.rs` file (STYLE "What we do", 1, 2 and 6).
//!
//! It opens with `//!`, has at most [`LINES_MAX`] lines, and holds no mark of unfinished or
//! silenced work and no path of one machine. The marks are spelt in two parts here, so that
//! this file passes its own rules.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{entries, shown};

const LINES_MAX: usize = 600;

const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("TO", "DO"), "finish it or open an issue"),
    (concat!("FIX", "ME"), "fix it or open an issue"),
    (concat!("to", "do!("), "write it"),
    (concat!("#[ig", "nore"), "a test runs or goes"),
    (concat!("#[al", "low("), "use #[expect(…, reason = \"…\")]"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
];

/// Checks every source file under `folder` and says how many there are.
pub(super) fn check(root: &Path, folder: &Path, problems: &mut Vec<String>) -> Result<usize> {
    let mut count = 0;
    for path in entries(folder)? {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            count += check(root, &path, problems)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let name = shown(root, &path);
            problems.extend(problems_of(&text).into_iter().map(|it| format!("{name}{it}")));
            count += 1;
        }
    }
    Ok(count)
}

/// What is wrong with a file's text, each starting with `:line: ` or `: `.
fn problems_of(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(":1: doesn't open with //! (what it is for, what always holds)".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        problems.push(format!(": {lines} lines, more than {LINES_MAX}: split it"));
    }
    for (number, line) in text.lines().enumerate() {
        for (mark, advice) in FORBIDDEN {
            if line.contains(mark) {
                problems.push(format!(":{}: {mark}: {advice}", number + 1));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_file_passes() {
        assert_eq!(problems_of("//! What for.\nfn main() {}\n"), [""; 0]);
    }

    #[test]
    fn each_mark_is_found_on_its_line() {
        for (mark, _) in FORBIDDEN {
            let found = problems_of(&format!("//! What for.\n// {mark}\n"));
            assert_eq!(found.len(), 1, "{mark}");
            assert!(found[0].starts_with(":2: "), "{found:?}");
        }
    }

    #[test]
    fn headers_and_length_are_checked() {
        assert_eq!(problems_of("fn main() {}").len(), 1);
        let long = "//! What for.\n".repeat(LINES_MAX + 1);
        assert_eq!(problems_of(&long).len(), 1);
    }
}
