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
