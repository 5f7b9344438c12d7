//! Random lives of requests: whatever honest members and their operators do, in whatever
//! order and however late, the invariants of PROTOCOL §8 hold after every block (S3, S4,
//! S6, S9), and every request ends (L1).

use super::fixture::{Mesh, NEEDS, plan};
use crate::{
    store::Store,
    tables::{Deadlines, Designations, Loads, Members, Requests, Waiting, deadline},
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId,
    events::Event,
    records::{AppState, Member, NodeRoles, RequestRecord, Status},
    resources::Resources,
};

#[derive(Debug, Clone)]
enum Act {
    Submit {
        workflow: u8,
    },
    /// A designee's honest plan, made on a state of up to so many blocks ago.
    Plan {
        request: u8,
        lag: u8,
    },
    Decline {
        request: u8,
    },
    Progress {
        request: u8,
        task: u8,
    },
    Fail {
        request: u8,
        task: u8,
    },
    Finalize {
        request: u8,
    },
    Cancel {
        request: u8,
    },
    Report {
        node: u8,
        foreign_millis: u64,
    },
    Quarantine {
        node: u8,
        quarantined: bool,
    },
    App {
        running: bool,
        cpu_millis: u64,
    },
    Block {
        after_ms: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let request = 0u8..8;
    prop_oneof![
        3 => (0u8..3).prop_map(|workflow| Act::Submit { workflow }),
        8 => (request.clone(), 0u8..4).prop_map(|(request, lag)| Act::Plan { request, lag }),
        1 => request.clone().prop_map(|request| Act::Decline { request }),
        3 => (request.clone(), 0u8..4).prop_map(|(request, task)| Act::Progress { request, task }),
        1 => (request.clone(), 0u8..4).prop_map(|(request, task)| Act::Fail { request, task }),
        3 => request.clone().prop_map(|request| Act::Finalize { request }),
        1 => request.prop_map(|request| Act::Cancel { request }),
        3 => (0u8..5, 0u64..4_000).prop_map(|(node, foreign_millis)| Act::Report { node, foreign_millis }),
        1 => (0u8..5, any::<bool>()).prop_map(|(node, quarantined)| Act::Quarantine { node, quarantined }),
        1 => (any::<bool>(), 500u64..5_000).prop_map(|(running, cpu_millis)| Act::App { running, cpu_millis }),
        8 => prop_oneof![4 => 1u64..50, 2 => 500u64..1_500, 1 => 3_000u64..20_000]
            .prop_map(|after_ms| Act::Block { after_ms }),
    ]
}

/// A mesh whose past states are kept, and what it was told for the next block.
struct Run {
    mesh: Mesh,
    past: Vec<(u64, Store)>,
    ids: Vec<RequestId>,
    next: Vec<(PublicKey, Payload)>,
    statuses: BTreeMap<RequestId, Status>,
    roots: Vec<Digest>,
    /// Statuses, refusals and waits that came up.
    seen: BTreeSet<String>,
}

const TASKS: [&str; 4] = ["a", "b", "c", "d"];

impl Run {
    fn new() -> Self {
        let mesh = Mesh::new(5);
        let past = vec![(mesh.height, mesh.store.clone())];
        let (ids, next) = (Vec::new(), Vec::new());
        Self {
            mesh,
            past,
            ids,
            next,
            statuses: BTreeMap::new(),
            roots: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn pick(&self, at: u8) -> Option<RequestRecord> {
        let newest = self.ids.len().checked_sub(1)?;
        let id = self.ids[newest.saturating_sub(usize::from(at))];
        self.mesh.store.get::<Requests>(&id)
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Submit { workflow } => {
                let body = self.mesh.body(["w", "one", "three"][usize::from(workflow)]);
                self.ids.push(body.id());
                self.next.push(self.mesh.submission(body));
            }
            Act::Plan { request, lag } => self.plan(request, lag),
            Act::Decline { request } => {
                if let Some(record) = self.pick(request).filter(|r| r.designated.is_some()) {
                    self.next.push(self.mesh.decline(&record.id));
                }
            }
            Act::Report { node, foreign_millis } => {
                self.next.push(self.mesh.report(usize::from(node), foreign_millis));
            }
            Act::Cancel { request } => {
                if let Some(record) = self.pick(request) {
                    self.next.push(self.mesh.cancel(&record.id));
                }
            }
            // Operators' changes come at a block's start: their heights are the next block's.
            Act::Quarantine { node, quarantined } => {
                self.block(1);
                self.mesh.height += 1;
                self.mesh.put_node(usize::from(node), NodeRoles::ALL, quarantined);
                self.mesh.height -= 1;
                self.block(1);
            }
            Act::App { running, cpu_millis } => {
                self.block(1);
                let wanted = if running { AppState::Running } else { AppState::Stopped };
                self.mesh.height += 1;
                self.mesh.put_app(wanted, Resources { cpu_millis, ..NEEDS });
                self.mesh.height -= 1;
                self.block(1);
            }
            Act::Block { after_ms } => self.block(after_ms),
            Act::Progress { request, task } | Act::Fail { request, task } => {
                self.work(request, TASKS[usize::from(task)], matches!(act, Act::Fail { .. }));
            }
            Act::Finalize { request } => {
                if let Some(record) = self.pick(request).filter(|r| r.status == Status::Active) {
                    self.next.push(self.mesh.finalize(&record.id));
                }
            }
        }
    }

    fn plan(&mut self, request: u8, lag: u8) {
        let Some(record) = self.pick(request) else { return };
        let Some(designation) = record.designated else { return };
        let seen = self.past.iter().rev().nth(usize::from(lag));
        let seen = seen.filter(|(height, _)| *height >= designation.height);
        let (height, store) = seen.or(self.past.last()).unwrap();
        if let Some(plan) = plan(store, *height, &record.id) {
            self.next.push((designation.node, Payload::ConfirmSchedule(plan)));
        }
    }

    fn work(&mut self, request: u8, name: &str, fails: bool) {
        let Some(record) = self.pick(request) else { return };
        let Some(plan) = &record.plan else { return };
        let Some(planned) = plan.assignments.iter().find(|a| a.task.as_str() == name) else {
            return;
        };
        let tx = match planned.nodes.first() {
            Some(node) if fails => self.mesh.failure(&record.id, name, *node),
            _ => self.mesh.record_progress(&record.id, &[name]),
        };
        self.next.push(tx);
    }

    fn block(&mut self, after_ms: u64) {
        let txs = std::mem::take(&mut self.next);
        for refused in self.mesh.block(after_ms, txs).into_iter().filter_map(Result::err) {
            self.seen.insert(format!("{:?}", refused.code));
        }
        if self.mesh.store.first::<Waiting>().is_some() {
            self.seen.insert("waits".to_owned());
        }
        self.past.push((self.mesh.height, self.mesh.store.clone()));
        self.roots.push(self.mesh.store.root());
        self.check();
    }

    /// Follows every request through the block's events: the records are where these lead,
    /// so no status changed without its event, and no event came where it must not (S4).
    fn follow(&mut self) {
        for event in &self.mesh.events {
            let Some(id) = event.request() else { continue };
            let before = self.statuses.remove(id);
            let after = transition(before, event);
            let after = after.unwrap_or_else(|| panic!("S4: {before:?}, then {event:?}"));
            if let Some(status) = after {
                self.statuses.insert(*id, status);
            }
        }
        let records = self.mesh.store.iter::<Requests>();
        let held: BTreeMap<RequestId, Status> = records.map(|(id, r)| (id, r.status)).collect();
        assert_eq!(held, self.statuses, "S4: records are where the events lead");
    }

    /// What always holds after a block.
    fn check(&mut self) {
        self.follow();
        let store = &self.mesh.store;
        assert_eq!(self.mesh.faults(), 0, "S9: honest nodes are never charged");
        let mut held: BTreeMap<PublicKey, Resources> = BTreeMap::new();
        let mut open = 0;
        for (id, record) in store.iter::<Requests>() {
            self.check_place(&record);
            self.seen.insert(format!("{:?}", record.status));
            open += u32::from(!record.status.ended());
            let Some(plan) = &record.plan else { continue };
            if let Some(named) = store.get::<Designations>(&(id, plan.designation)) {
                assert_eq!(named.node, plan.planner, "S3");
            }
            assert!(record.status == Status::Active || plan.reserved.is_empty());
            for (node, amount) in &plan.reserved {
                let sum = held.entry(*node).or_default();
                *sum = sum.plus(*amount);
            }
        }
        for (node, load) in store.iter::<Loads>() {
            let sum = held.remove(&node).unwrap_or_default();
            assert_eq!(load.reserved, sum, "S6: what is held is what is reserved");
            assert!(sum.fits(&super::fixture::CAPACITY), "S6: within the attested capacity");
        }
        assert!(held.is_empty());
        match store.get::<Members>(&self.mesh.device.public()) {
            Some(Member::Device { open_requests, .. }) => assert_eq!(open_requests, open),
            other => panic!("no device: {other:?}"),
        }
    }

    /// An open request is exactly one of designated, waiting, Active, with its deadlines.
    fn check_place(&self, record: &RequestRecord) {
        let store = &self.mesh.store;
        let armed = |kind| {
            store
                .iter::<Deadlines>()
                .filter(|(k, _)| k.kind == kind && k.id == record.id.0.0)
                .count()
        };
        let queued = store.contains::<Waiting>(&(record.accepted_height, record.id));
        let active = record.status == Status::Active;
        let open = !record.status.ended();
        assert_eq!(record.waiting.is_some(), queued);
        let places = [record.designated.is_some(), queued, active];
        assert_eq!(places.iter().filter(|p| **p).count(), usize::from(open), "{places:?}");
        assert_eq!(armed(deadline::REQUEST), usize::from(open));
        assert_eq!(armed(deadline::RETENTION), usize::from(!open));
        assert_eq!(armed(deadline::GENERATION), usize::from(record.designated.is_some()));
        let own_first =
            record.plan.as_ref().is_some_and(|p| p.deadline_ms >= record.body.deadline_ms);
        assert_eq!(armed(deadline::EXECUTION), usize::from(active && !own_first));
    }
}

/// The transitions of PROTOCOL §4, and no other: where a request is after an event, with
/// `None` for not on the ledger. Nothing where the event must not come.
fn transition(before: Option<Status>, event: &Event) -> Option<Option<Status>> {
    use Status::{Active, Cancelled, Failed, Finalized, Requested};
    let after = match (before, event) {
        (None, Event::RequestAccepted { .. }) => Requested,
        (Some(Requested), Event::PlanConfirmed { .. }) => Active,
        (Some(Active), Event::PlanAbandoned { .. }) => Requested,
        (Some(Active), Event::RequestFinalized { .. }) => Finalized,
        (Some(Requested | Active), Event::RequestFailed { .. }) => Failed,
        (Some(Requested | Active), Event::RequestCancelled { .. }) => Cancelled,
        (Some(Finalized | Failed | Cancelled), Event::RequestRetired { .. }) => return Some(None),
        // These change no status; each has its place.
        (
            Some(Requested),
            Event::Designated { .. }
            | Event::DesignationEnded { .. }
            | Event::RequestWaiting { .. },
        ) => Requested,
        // A completion may come after its plan gave out.
        (Some(open @ (Requested | Active)), Event::TaskDone { .. }) => open,
        _ => return None,
    };
    Some(Some(after))
}

#[test]
fn a_request_that_ended_or_never_was_moves_no_more() {
    let request = RequestId::default();
    let (designation, reason) = (1, String::new());
    let finalized = Event::RequestFinalized { request };
    let confirmed = Event::PlanConfirmed { request, designation };
    let abandoned = Event::PlanAbandoned { request, designation, reason };
    for (before, event) in [
        (None, &confirmed),
        (Some(Status::Requested), &finalized),
        (Some(Status::Requested), &abandoned),
        (Some(Status::Active), &confirmed),
        (Some(Status::Failed), &finalized),
        (Some(Status::Finalized), &abandoned),
        (Some(Status::Cancelled), &confirmed),
        (Some(Status::Active), &Event::RequestRetired { request }),
        (Some(Status::Finalized), &Event::RequestAccepted { request }),
    ] {
        assert_eq!(transition(before, event), None, "{before:?}, then {event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn random_lives_of_requests_keep_the_rules_and_end(
        acts in prop::collection::vec(act(), 1..90),
    ) {
        let mut run = Run::new();
        for act in &acts {
            run.act(act);
        }
        for _ in 0..6 {
            run.block(61_000);
        }
        let store = &run.mesh.store;
        prop_assert!(store.first::<Requests>().is_none(), "every request ended and left");
        prop_assert!(store.first::<Waiting>().is_none());
        prop_assert!(store.first::<Designations>().is_none());
        let free = |load: &trustmesh_types::records::NodeLoad| load.reserved == Resources::ZERO;
        prop_assert!(store.iter::<Loads>().all(|(_, load)| free(&load)));
    }

    #[test]
    fn equal_streams_give_equal_roots(acts in prop::collection::vec(act(), 1..40)) {
        let (mut one, mut two) = (Run::new(), Run::new());
        for act in &acts {
            one.act(act);
            two.act(act);
        }
        prop_assert_eq!(one.roots, two.roots);
    }
}

/// The lives above are worth something only if they come by everything.
#[test]
fn random_lives_reach_every_end_and_stale_refusal() {
    let mut runner = TestRunner::deterministic();
    let acts = prop::collection::vec(act(), 60..90);
    let mut seen = BTreeSet::new();
    for _ in 0..64 {
        let mut run = Run::new();
        for act in &acts.new_tree(&mut runner).unwrap().current() {
            run.act(act);
        }
        seen.append(&mut run.seen);
    }
    for what in [
        "Active",
        "Finalized",
        "Failed",
        "Cancelled",
        "waits",
        "NotCurrent",
        "AppState",
        "IneligibleNode",
        "OverCapacity",
        "OverAttested",
        "NotActive",
        "RequestEnded",
    ] {
        assert!(seen.contains(what), "{what} never came up: {seen:?}");
    }
}
