//! `trustmesh demo`: the paper's evaluation scenario in the small, in one command.
//!
//! It makes keys and a genesis, starts nodes as processes of their own, deploys the three
//! cold-chain applications and their workflow through the ledger, registers a device, and
//! sends sensor readings as that device: each result is opened and checked before it
//! counts. Invariant: what the demo started is stopped when it ends, however it ends,
//! unless `--keep` was given and the demo came through its set-up.

mod arguments;
mod device;
mod input;
mod scenario;
mod summary;

pub use arguments::DemoArgs;
pub use scenario::run;
