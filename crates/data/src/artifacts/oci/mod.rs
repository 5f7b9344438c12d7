//! OCI registries (OCI Distribution specification 1.1): artifacts are looked up, fetched and
//! put there.
//!
//! - `config`, `secret`: which registry, and as whom;
//! - `reference`: names of images;
//! - `transport`: one request within bounds, tried again where that helps;
//! - `challenge`, `auth`: basic and token logins;
//! - `body`: what comes, within bounds; `blobs`: ranges of a blob that go on where they broke off;
//! - `manifests`, `push`, `wasm`: manifests, uploads, modules as OCI artifacts (CNCF's layout);
//! - `artifact`: whole artifacts, fetched as an OCI layout and put there from a store;
//! - `source`: a registry as a place to fetch artifacts from;
//! - `signatures`: where cosign keeps its signatures.
//!
//! Invariants: nothing that a registry sends is believed before its digest is checked, here or,
//! for ranges, by who asked for them; every answer, wait, redirect and retry is bounded; the
//! password and tokens go to the registry's own address and its token server alone, never in
//! the clear to another machine unless that is asked for by name, and into no error or log.
//!
//! The requests are made by `reqwest`, not by the crate `oci-client`, which is the other side
//! of the tests instead: ADR 0010.

mod artifact;
mod auth;
mod blobs;
mod body;
mod challenge;
mod config;
mod error;
mod manifests;
mod push;
mod reference;
mod registry;
mod secret;
mod signatures;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod wasm;

pub use artifact::Told;
pub use blobs::BlobPieces;
pub use config::RegistryConfig;
pub use error::OciError;
pub use manifests::Resolved;
pub use push::{Pushed, Upload};
pub use reference::{Reference, Repository, Tag};
pub use registry::Registry;
pub use source::RegistrySource;
