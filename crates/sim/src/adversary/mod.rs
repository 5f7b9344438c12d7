//! Evil nodes: real ones with parts swapped, a [`crate::Deviation`] each (PROTOCOL §9).
//!
//! - `engine`: those that misbehave in agreement.

pub(crate) mod engine;
