//! Workflows as operators write them: YAML (DESIGN, "What a user touches"), the same as
//! JSON, or the JSON graph of the authors' code.
//!
//! Reading is strict: an unknown field, a duplicate or an unreachable task is an error that
//! says where and what to do. What comes out is a valid `Workflow`.

mod build;
mod document;
mod graph;
mod ordered;
mod read;

#[cfg(test)]
mod tests;

pub use read::{DefinitionError, TASK_TIMEOUT_DEFAULT, read};
