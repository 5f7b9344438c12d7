//! What the end-to-end tests share: the built binary, and meshes of real processes in
//! temporary folders that are gone when a test ends, however it ends.
//!
//! Meshes are used one at a time within a test program: two cores don't carry more without
//! timeouts that have nothing to do with what is tested.

#![expect(dead_code, reason = "each test program uses its own part of this")]

mod mesh;
mod run;

pub use mesh::{Mesh, one_at_a_time};
pub use run::{Run, trustmesh, trustmesh_fed, trustmesh_in};
