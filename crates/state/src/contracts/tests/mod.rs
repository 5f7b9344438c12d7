//! Refusals of the contracts, from both sides.
