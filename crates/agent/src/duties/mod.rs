//! One module per thing that a node does.

pub(crate) mod apps;
pub(crate) mod conflicts;
pub(crate) mod deliver;
pub(crate) mod execute;
pub(crate) mod fetch;
pub(crate) mod finalize;
pub(crate) mod intake;
pub(crate) mod keep;
pub(crate) mod obtain;
pub(crate) mod progress;
pub(crate) mod publish;
pub(crate) mod receipts;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod schedule;
pub(crate) mod share;
pub(crate) mod succession;
pub(crate) mod witness;
