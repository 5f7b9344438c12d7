//! Judging blocks before voting for them (PROTOCOL §2).

mod rules;
#[cfg(test)]
mod tests;

pub(crate) use rules::verify;
