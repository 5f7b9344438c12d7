//! The commands: a file or folder per noun.
//!
//! Everything but `node run` and what needs no network runs on one small runtime; the
//! daemon brings its own.

pub mod app;
pub mod bench;
mod changes;
pub mod completions;
pub mod debug;
pub mod demo;
pub mod device;
mod interrupt;
pub mod key;
pub mod ledger;
mod listing;
mod mesh;
pub mod network;
pub mod node;
pub mod operator;
mod parse;
pub mod policy;
mod readiness;
pub mod request;
mod run;
mod setup;
pub mod sim;
pub mod workflow;

pub use run::run;
