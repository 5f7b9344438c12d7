//! Client library for devices and operators: build, sign, submit, await, verify.
//!
//! A [`Client`] speaks to any of several nodes and goes on to the next when one fails. It
//! believes a node only so far: TLS accepts exactly the key that the ledger names for it
//! ([`tls`]), and a result counts only when everything in it is signed by the nodes that the
//! plan on the ledger names ([`check`]), as f+1 validators show it. An [`Operator`] changes
//! the network by signed transactions; a [`Device`] submits data and takes its result.
//!
//! Every call may be sent twice without harm: a request's id is the digest of what the
//! device signed, a transaction counts once, and reads change nothing. So retries are safe,
//! and bounded by [`Options`].

mod artifacts;
mod client;
mod device;
mod endpoint;
mod error;
mod http;
mod operator;
mod options;
mod outside;
mod readiness;
mod reads;
mod transact;
mod witness;

pub mod check;
pub mod probe;
pub mod snapshot;
pub mod tls;

pub use artifacts::Upload;
pub use client::Client;
pub use device::{Checked, Device, SubmitSpec};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Attempt, ClientError};
pub use operator::Operator;
pub use options::Options;
pub use readiness::Readiness;
pub use transact::Included;
