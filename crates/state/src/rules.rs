//! Rules that differ between versions of the protocol
//! ([`trustmesh_types::protocol::PROTOCOL_VERSION_MAX`]).
//!
//! What always holds: a rule changes only together with a new version, and stays here in each
//! of its forms, so that every chain that was ever made executes to the same roots.

use crate::{machine::InvalidBlock, state::State, tables::Protocol};
use trustmesh_types::protocol::{Activation, PROTOCOL_VERSION_MAX, ProtocolRecord};

/// What holds for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The version.
    pub version: u32,
    /// Whether nodes that do not vote outvote an output too. They may all be faulty, so since
    /// version 2 they do not.
    pub any_node_outvotes: bool,
}

impl Rules {
    /// The rules of a version.
    #[must_use]
    pub const fn of(version: u32) -> Self {
        Self { version, any_node_outvotes: version < 2 }
    }
}

impl State {
    fn protocol(&self) -> ProtocolRecord {
        let first = self.parameters().protocol_version;
        let absent = ProtocolRecord { version: first, next: None };
        self.store().get::<Protocol>(&()).unwrap_or(absent)
    }

    /// The version of the rules that hold for the next block.
    #[must_use]
    pub fn protocol_version(&self) -> u32 {
        self.protocol().at(self.height().saturating_add(1))
    }

    /// The version that is ordered, but does not hold for the next block yet.
    #[must_use]
    pub fn protocol_activation(&self) -> Option<Activation> {
        self.protocol().pending_at(self.height().saturating_add(1))
    }

    /// The rules of the next block.
    ///
    /// # Errors
    /// [`InvalidBlock::UnknownProtocol`] when this program does not know them.
    pub fn rules(&self) -> Result<Rules, InvalidBlock> {
        let (version, known) = (self.protocol_version(), PROTOCOL_VERSION_MAX);
        if version > known {
            let height = self.height().saturating_add(1);
            return Err(InvalidBlock::UnknownProtocol { version, height, known });
        }
        Ok(Rules::of(version))
    }
}
