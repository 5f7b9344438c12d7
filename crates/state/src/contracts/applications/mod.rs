//! The applications contract: what may run, by whose word, and where it does (PROTOCOL §3).
//!
//! - `deploy`: an application comes onto the ledger;
//! - `manifest`: the bounds of what a publisher says of it;
//! - `life`: started, stopped, restarted, removed;
//! - `conditions`: what each node says of its copy.
//!
//! An application on the ledger has its publisher's signature over all that decides how it
//! runs, and f+1 validators hold its artifact. Its content changes only after it was removed,
//! and it runs only while its publisher may publish. A node is assigned its tasks only after
//! it said that it runs it.

mod conditions;
mod deploy;
mod life;
mod manifest;

pub(crate) use conditions::fitness;
pub use conditions::report;
pub use deploy::deploy;
pub(crate) use life::stop_published_by;
pub use life::{restart, set_state};
pub use manifest::check as check_manifest;
