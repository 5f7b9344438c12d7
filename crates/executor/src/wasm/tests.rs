//! The runner as a whole, on modules written as text.
