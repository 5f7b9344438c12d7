//! Texts of applications and engines, within bounds.

/// Longest message that is passed on.
const MESSAGE_BYTES_MAX: usize = 512;

/// Cuts what an application says to a bounded length, at a character.
pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        let ellipsis = "…";
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX - ellipsis.len()));
        text.push_str(ellipsis);
    }
    text
}

/// The end of what an application logged, where it says why, within the same bound.
pub(crate) fn end_of(text: &str) -> String {
    let ellipsis = "…";
    match text.len().checked_sub(MESSAGE_BYTES_MAX) {
        None | Some(0) => text.to_owned(),
        Some(over) => {
            let from = text.ceil_char_boundary(over.saturating_add(ellipsis.len()));
            format!("{ellipsis}{}", text.get(from..).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_bounded_and_cut_at_characters() {
        let long = "ü".repeat(MESSAGE_BYTES_MAX);
        for cut in [shorten(long.clone()), end_of(&long)] {
            assert!((MESSAGE_BYTES_MAX - 4..=MESSAGE_BYTES_MAX).contains(&cut.len()), "{cut}");
        }
        assert!(end_of(&format!("{long} the error")).ends_with(" the error"));
        assert_eq!((shorten("a".to_owned()), end_of("a")), ("a".to_owned(), "a".to_owned()));
    }
}
