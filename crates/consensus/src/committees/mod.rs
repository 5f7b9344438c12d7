//! The committees of validators, one after the other (docs/membership.md): which of them votes
//! on a height, what is kept of them, and how one follows the other as blocks become final.

mod known;
mod store;
mod succession;

pub(crate) use known::{Certain, Committees, Known, Open};
pub(crate) use store::{CommitteeStore, Past, read_entry};
pub(crate) use succession::{Awaited, Handovers, Succession, Term};
