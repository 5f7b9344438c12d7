//! Artifacts of applications: modules and container images, kept by digest as files, fetched
//! chunk by chunk from nodes and registries (PROTOCOL §7, ADR 0008).
//!
//! - `store`: the files, whole and half fetched;
//! - `obtain`: fetching from many sources at once, each chunk checked as it comes;
//! - `source`: what an artifact may be fetched from;
//! - `image`: what an OCI manifest or index names, for one architecture;
//! - `pack`: what publishers have (modules, image archives) into a store;
//! - [`oci`]: registries, as a source and to put artifacts into;
//! - [`cosign`]: images that are signed with cosign's keys.
//!
//! Invariants: what is under a digest has that digest; nothing is loaded into memory whole but
//! manifests and modules; a wrong byte costs its source the artifact, not the node.

pub mod cosign;
mod error;
mod image;
mod obtain;
pub mod oci;
mod pack;
mod partial;
mod source;
mod store;
#[cfg(test)]
mod tests;

pub use error::ArtifactError;
pub use image::{Image, Layer, architectures, module};
pub use obtain::{ObtainOptions, Obtained, Progress, Wanted, obtain};
pub use pack::pack;
pub use source::{Piece, Pieces, Source};
pub use store::ArtifactStore;
