//! The driver: turns what happens around a node into the agent's inputs, and the agent's
//! effects into deeds.
//!
//! One task owns the agent and gives it one input at a time. Effects that take time run as
//! tasks of their own and come back as inputs. Bounds: the queues below; deeds under way are
//! bounded by what the agent asks for (`trustmesh_agent::limits`), the runner's threads and
//! the store's queue.

pub(crate) mod completions;
mod control;
mod deeds;
pub(crate) mod placements;
mod task;

pub(crate) use control::Control;
pub(crate) use deeds::Deeds;
pub(crate) use task::Driver;
