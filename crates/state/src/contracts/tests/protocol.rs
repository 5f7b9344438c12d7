//! Versions of the protocol: who orders them, when they hold, and what they change.

use super::refuses;
use crate::{
    InvalidBlock, Proposal, State,
    fixture::{Net, Tx, clerk, device, execute, genesis, ids, operator, secret},
};
use trustmesh_types::{
    Digest, Payload, SignedTransaction,
    events::Event,
    faults::Conflict,
    genesis::{Genesis, GenesisError},
    protocol::{Activation, PROTOCOL_VERSION_MAX},
    reject::RejectCode::{self, InvalidValue, ProtocolOrder, WrongRole},
};

const AHEAD: u64 = 128;

fn old() -> Genesis {
    let mut old = genesis();
    old.parameters.protocol_version = 1;
    // As they were by default then.
    (old.parameters.idle_interval_ms, old.parameters.leader_timeout_ms) = (2_000, 2_500);
    old
}

fn activate(version: u32, height: u64) -> Tx {
    (operator().public(), Payload::ActivateProtocol { version, height })
}

fn until(net: &mut Net, height: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while net.state.height() < height {
        events.extend(net.block(1, vec![]).events);
    }
    events
}

#[test]
fn a_version_holds_from_its_height_on_and_not_before() {
    let mut net = Net::of(&old());
    assert_eq!((net.state.protocol_version(), net.state.protocol_activation()), (1, None));
    let height = net.state.height() + 1 + AHEAD;
    let next = Activation { version: 2, height };
    let executed = net.block(10, vec![activate(2, height)]);
    assert_eq!(executed.events, [Event::ProtocolOrdered(next)]);
    assert_eq!(net.state.protocol_activation(), Some(next));
    assert_eq!(until(&mut net, height - 2), []);
    assert_eq!(net.state.protocol_version(), 1, "the next block is the last one of version 1");
    assert_eq!(until(&mut net, height - 1), []);
    assert_eq!((net.state.protocol_version(), net.state.protocol_activation()), (2, None));
    assert_eq!(until(&mut net, height), [Event::ProtocolBegan { version: 2 }]);
    assert_eq!(until(&mut net, height + 1), []);
    let bytes = net.state.snapshot();
    assert_eq!(State::restore(&bytes).unwrap().protocol_version(), 2);
}

#[test]
fn an_order_that_is_none_is_refused() {
    let net = Net::of(&old());
    let first = net.state.height() + 1 + AHEAD;
    let by = |key: trustmesh_types::SecretKey| {
        (key.public(), Payload::ActivateProtocol { version: 2, height: first })
    };
    refuses(
        &net,
        vec![
            ("the same version", activate(1, first), ProtocolOrder),
            ("one too far", activate(3, first), ProtocolOrder),
            ("no version", activate(0, first), ProtocolOrder),
            ("too soon", activate(2, first - 1), ProtocolOrder),
            ("a node", by(secret(1)), WrongRole),
            ("a device", by(device()), WrongRole),
        ],
    );
    super::takes(&net, vec![("in time", activate(2, first)), ("any operator", by(clerk()))]);
}

#[test]
fn an_order_is_put_off_until_it_holds() {
    let mut net = Net::of(&old());
    let height = net.state.height() + 1 + AHEAD;
    net.applied(vec![activate(2, height)]);
    net.applied(vec![activate(2, height + 500)]);
    let put_off = Activation { version: 2, height: height + 500 };
    assert_eq!(net.state.protocol_activation(), Some(put_off));
    assert_eq!(until(&mut net, height + 499), []);
    net.block(1, vec![]);
    let again = net.one(activate(2, height + 5_000)).unwrap_err();
    assert_eq!(again.code, ProtocolOrder, "what holds is not put off");
    assert_eq!(net.state.protocol_version(), 2);
}

/// Version 2 is the newest that this program knows: the order of version 3 executes as any
/// other, and so do all blocks before its height.
#[test]
fn a_program_stops_before_the_first_block_of_a_version_that_it_does_not_know() {
    let mut net = Net::new();
    let (version, known) = (PROTOCOL_VERSION_MAX + 1, PROTOCOL_VERSION_MAX);
    let height = net.state.height() + 1 + AHEAD;
    net.applied(vec![activate(version, height)]);
    until(&mut net, height - 1);
    let proposal = Proposal {
        proposer: net.state.validators()[0],
        timestamp_ms: net.state.timestamp_ms() + 1,
        transactions: &[],
        ids: &[],
    };
    let stopped = net.state.execute(&proposal).unwrap_err();
    assert_eq!(stopped, InvalidBlock::UnknownProtocol { version, height, known });
    assert!(stopped.to_string().contains("run a newer one"), "{stopped}");
}

#[test]
fn genesis_alone_says_which_version_comes_first() {
    for version in [0, PROTOCOL_VERSION_MAX + 1] {
        let mut unknown = genesis();
        unknown.parameters.protocol_version = version;
        let refused = State::genesis(&unknown).unwrap_err();
        assert!(
            matches!(refused, GenesisError::Parameter { name: "protocol_version", .. }),
            "{refused}"
        );
    }
    let mut net = Net::new();
    let old = net.state.parameters().clone();
    let mut change = trustmesh_types::genesis::ParametersChange {
        replaces: Digest::of(&trustmesh_types::codec::encode(&old)),
        parameters: old,
    };
    change.parameters.protocol_version = 1;
    let refused = net.one((operator().public(), Payload::SetParameters(change))).unwrap_err();
    assert_eq!(refused.code, InvalidValue);
}

/// Blocks as they were executed: their times and transactions.
type Chain = Vec<(u64, Vec<SignedTransaction>)>;

struct Recorded {
    net: Net,
    chain: Chain,
    faults: Vec<RejectCode>,
}

impl Recorded {
    fn block(&mut self, txs: Vec<Tx>) {
        let txs: Vec<_> = txs.into_iter().map(|tx| self.net.sign(tx)).collect();
        let at_ms = self.net.state.timestamp_ms() + 10;
        let executed = execute(&self.net.state, at_ms, &txs);
        self.faults.extend(executed.events.iter().filter_map(|event| match event {
            Event::Fault { rejection, .. } => Some(rejection.code),
            _ => None,
        }));
        self.net.state = executed.state;
        self.chain.push((at_ms, txs));
    }

    /// A request on two workers and a validator, of whom the validator's output differs.
    fn outvoted_by_workers(&mut self) {
        let (id, tx) = self.net.submission("three", 10_000);
        self.block(vec![tx]);
        let workers = [secret(5).public(), secret(6).public()];
        let Some((planner, Payload::ConfirmSchedule(mut plan))) = self.net.plan(&id, 0) else {
            panic!("somebody is to plan")
        };
        plan.assignments[0].nodes = vec![workers[0], workers[1], secret(1).public()];
        self.block(vec![(planner, Payload::ConfirmSchedule(plan))]);
        let Some((_, Payload::Finalize(all))) = self.net.finalization(&id) else {
            panic!("the plan is active")
        };
        let network = self.net.state.network();
        let completions = all.completions.into_iter().map(|it| {
            let mut it = it.completion;
            if !workers.contains(&it.node) {
                it.output = Digest::of(b"of an honest one");
            }
            let key = (1..=6).map(secret).find(|s| s.public() == it.node).unwrap();
            it.sign(&key, &network)
        });
        let completions: Vec<_> = completions.collect();
        let first = completions[0].completion.clone();
        let conflict =
            Conflict { request: id, designation: first.designation, task: first.task, completions };
        self.block(vec![(secret(2).public(), Payload::ReportConflict(conflict))]);
        self.block(vec![(device().public(), Payload::CancelRequest { request: id })]);
    }
}

/// The root of a chain that began under version 1, and changed to version 2.
const ROOT_OF_BOTH: &str = "f1e95a02d7ad391d1a37d9fd1dcc23daaf92008fd121d2a74ce9e4bd6bb0a95a";

#[test]
fn a_chain_of_an_earlier_version_executes_to_its_roots_through_the_change() {
    let mut recorded = Recorded { net: Net::of(&old()), chain: Vec::new(), faults: Vec::new() };
    let begun = recorded.net.state.clone();
    recorded.outvoted_by_workers();
    assert_eq!(recorded.faults, [RejectCode::WrongOutput], "any nodes outvote in version 1");
    let height = recorded.net.state.height() + 1 + AHEAD;
    recorded.block(vec![activate(2, height)]);
    while recorded.net.state.height() < height {
        recorded.block(vec![]);
    }
    recorded.outvoted_by_workers();
    assert_eq!(recorded.faults.len(), 1, "workers charge nobody in version 2");

    let replay = |mut state: State| {
        for (at_ms, txs) in &recorded.chain {
            let proposal = Proposal {
                proposer: state.validators()[0],
                timestamp_ms: *at_ms,
                transactions: txs,
                ids: &ids(txs),
            };
            state = state.execute(&proposal).unwrap().state;
        }
        state.root()
    };
    assert_eq!(replay(begun), recorded.net.state.root());
    let root = recorded.net.state.root().to_string();
    assert_eq!(root, ROOT_OF_BOTH, "a chain that was made before must execute as it did");
}
