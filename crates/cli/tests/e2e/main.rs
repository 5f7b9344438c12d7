//! End-to-end tests: the built binary, and meshes of real processes in temporary folders
//! that are gone when a test ends, however it ends.
//!
//! One program, so that meshes are used one at a time: two cores don't carry more without
//! timeouts that have nothing to do with what is tested.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, and answers whose form a test asserts"
)]

mod apps;
mod bad_input;
mod clocks;
mod containers;
mod crash;
mod daemon;
mod damage;
mod demo;
mod disks;
mod faults;
mod flood;
mod lies;
mod links;
mod load;
mod membership;
mod mesh;
mod operations;
mod policies;
mod run;
mod stops;
mod under;
mod workflows;
