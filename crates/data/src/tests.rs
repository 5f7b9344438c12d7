//! The store as a whole, through its public API.
