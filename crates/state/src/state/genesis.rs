//! The state before the first block (PROTOCOL §1).

use super::State;
use crate::{
    contracts::membership::{check_node, check_operator},
    store::Store,
    tables::{Committees, Loads, Members, Meta, MetaRecord, Protocol, Settings, SettingsRecord},
};
use trustmesh_types::{
    PublicKey,
    committee::Committee,
    genesis::{Genesis, GenesisError},
    protocol::ProtocolRecord,
    records::{Member, NodeLoad, Standing},
    reject::Rejection,
};

fn refused(key: PublicKey) -> impl Fn(Rejection) -> GenesisError {
    move |rejection| GenesisError::Member { key, reason: rejection.reason }
}

impl State {
    /// The state before the first block.
    ///
    /// # Errors
    /// [`GenesisError`] when no network can start from this genesis.
    pub fn genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        genesis.validate()?;
        let mut store = Store::new();
        for info in &genesis.operators {
            check_operator(info).map_err(refused(info.key))?;
            let member = Member::Operator { info: info.clone(), revoked: false, changed: 0 };
            store.put::<Members>(&info.key, &member);
        }
        for info in &genesis.nodes {
            check_node(info).map_err(refused(info.key))?;
            let member = Member::Node {
                info: info.clone(),
                quarantined: false,
                standing: Standing::Ready,
                changed: 0,
            };
            store.put::<Members>(&info.key, &member);
            store.put::<Loads>(&info.key, &NodeLoad::default());
        }
        let meta = MetaRecord { height: 0, timestamp_ms: genesis.created_ms };
        let settings = SettingsRecord {
            network: genesis.network_id(),
            parameters: genesis.parameters.clone(),
            committee: Committee { number: 0, first_height: 0, validators: genesis.validators() },
            decided: Vec::new(),
            waiting: false,
            renewal: false,
        };
        store.put::<Committees>(&0, &settings.committee);
        let version = genesis.parameters.protocol_version;
        store.put::<Protocol>(&(), &ProtocolRecord { version, next: None });
        store.put::<Meta>(&(), &meta);
        store.put::<Settings>(&(), &settings);
        Ok(Self::of(meta, settings, store))
    }
}
