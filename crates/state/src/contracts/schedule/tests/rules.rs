//! C1 to C6, each from both sides: what is refused and what is not, fault or stale.

use super::fixture::{CAPACITY, Mesh, NEEDS, app, task};
use crate::tables::{AppConditions, Apps, Loads, Members};
use trustmesh_types::{
    Payload, PublicKey, RequestId, limits,
    plan::Plan,
    records::{AppState, Condition, NodeRoles, Status},
    reject::RejectCode,
    resources::Resources,
};

/// A mesh with a request that its designee shall plan, and an honest plan.
fn planned(workflow: &str) -> (Mesh, RequestId, Plan) {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit(workflow);
    let plan = mesh.plan(&id).unwrap();
    (mesh, id, plan)
}

/// What becomes of the designee's plan after `spoil`.
fn refused(workflow: &str, spoil: impl FnOnce(&mut Mesh, &mut Plan)) -> (RejectCode, bool) {
    let (mut mesh, _, mut plan) = planned(workflow);
    spoil(&mut mesh, &mut plan);
    let before = mesh.reserved();
    let got = mesh.refuse(mesh.confirm(plan));
    assert_eq!(mesh.reserved(), before, "a refused plan reserves nothing");
    got
}

#[test]
fn an_honest_plan_is_active_and_reserves() {
    let (mut mesh, id, plan) = planned("w");
    let planner = mesh.designee(&id).unwrap();
    mesh.one(mesh.confirm(plan.clone())).unwrap();
    let record = mesh.record(&id);
    assert_eq!((record.status, record.attempts), (Status::Active, 1));
    assert!(record.designated.is_none());
    let active = record.plan.unwrap();
    assert_eq!((active.planner, &active.assignments), (planner, &plan.assignments));
    // Three levels of a second each and two seconds of grace.
    assert_eq!(active.deadline_ms, mesh.now_ms + 5_000);
    let four = NEEDS.plus(NEEDS).plus(NEEDS).plus(NEEDS);
    assert_eq!(mesh.reserved(), four);
    assert_eq!(active.reserved.values().fold(Resources::ZERO, |s, r| s.plus(*r)), four);
}

#[test]
fn c1_only_the_named_node_may_plan() {
    let (mut mesh, id, plan) = planned("w");
    let designee = mesh.designee(&id).unwrap();
    let other = (0..5).map(|i| mesh.key(i)).find(|k| *k != designee).unwrap();
    let got = mesh.refuse((other, Payload::ConfirmSchedule(plan.clone())));
    assert_eq!(got, (RejectCode::NotDesignated, true), "another node");
    assert_eq!(mesh.designee(&id), Some(designee), "the designee keeps its turn");
    for number in [0, 2, u32::MAX] {
        let mut never = plan.clone();
        never.designation = number;
        let got = mesh.refuse((other, Payload::ConfirmSchedule(never)));
        assert_eq!(got, (RejectCode::NotDesignated, true), "number {number} never was");
    }
    let mut unknown = plan.clone();
    unknown.request = RequestId::default();
    let got = mesh.refuse((designee, Payload::ConfirmSchedule(unknown)));
    assert_eq!(got, (RejectCode::UnknownRequest, false));
    mesh.one((designee, Payload::ConfirmSchedule(plan))).unwrap();
}

#[test]
fn c2_a_late_or_second_plan_is_refused_without_fault() {
    let (mut mesh, id, plan) = planned("w");
    let designee = mesh.designee(&id).unwrap();
    let tx = (designee, Payload::ConfirmSchedule(plan));
    let results = mesh.block(10, vec![tx.clone(), tx.clone()]);
    assert!(results[0].is_ok());
    let second = results[1].clone().unwrap_err();
    assert_eq!((second.code, second.fault), (RejectCode::NotCurrent, false));
    let (mut mesh, id, plan) = planned("w");
    let late = (mesh.designee(&id).unwrap(), Payload::ConfirmSchedule(plan));
    mesh.one(mesh.decline(&id)).unwrap();
    assert_eq!(mesh.refuse(late), (RejectCode::NotCurrent, false));
    assert_eq!(mesh.record(&id).designated.unwrap().rejections, 0, "not the designee's");
    mesh.one(mesh.cancel(&id)).unwrap();
    assert_eq!(mesh.refuse(tx), (RejectCode::NotCurrent, false), "it has ended");
}

#[test]
fn a_number_that_is_long_past_charges_nobody() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    let plan = mesh.plan(&id).unwrap();
    let first = mesh.designee(&id).unwrap();
    while mesh.record(&id).designation <= limits::DESIGNATIONS_KEPT_MAX {
        if mesh.designee(&id).is_some() {
            mesh.one(mesh.decline(&id)).unwrap();
        } else {
            mesh.one(mesh.report(0, 0)).unwrap();
        }
    }
    let got = mesh.refuse((first, Payload::ConfirmSchedule(plan)));
    assert_eq!(got, (RejectCode::NotCurrent, false));
}

#[test]
fn a_plan_must_be_made_since_its_designation_and_lately() {
    let stale = (RejectCode::StalePlan, false);
    assert_eq!(refused("w", |_, plan| plan.made_at -= 1), stale, "before the designation");
    assert_eq!(refused("w", |_, plan| plan.made_at += 1), stale, "on no finished block");
    assert_eq!(refused("w", |_, plan| plan.made_at = u64::MAX), stale);
    let old = refused("w", |mesh, _| {
        for _ in 0..limits::PLAN_AGE_BLOCKS_MAX {
            mesh.block(1, vec![]);
        }
    });
    assert_eq!(old, stale, "too old");
    let (mut mesh, _, plan) = planned("w");
    for _ in 1..limits::PLAN_AGE_BLOCKS_MAX {
        mesh.block(1, vec![]);
    }
    mesh.one(mesh.confirm(plan)).unwrap();
}

#[test]
fn c3_exactly_the_open_tasks_each_once_on_distinct_nodes() {
    type Case = (&'static str, &'static str, fn(&mut Mesh, &mut Plan));
    let cases: [Case; 7] = [
        ("missing", "w", |_, p| drop(p.assignments.pop())),
        ("none", "w", |_, p| p.assignments.clear()),
        ("twice", "w", |_, p| p.assignments.push(p.assignments[0].clone())),
        ("unknown", "w", |_, p| p.assignments[1].task = task("x")),
        ("no node", "w", |_, p| p.assignments[0].nodes.clear()),
        ("too few replicas", "three", |_, p| p.assignments[0].nodes.truncate(2)),
        ("the same node", "three", |_, p| p.assignments[0].nodes[1] = p.assignments[0].nodes[0]),
    ];
    for (what, workflow, spoil) in cases {
        assert_eq!(refused(workflow, spoil), (RejectCode::IncompletePlan, true), "{what}");
    }
    let (mut mesh, _, plan) = planned("three");
    mesh.one(mesh.confirm(plan)).unwrap();
}

#[test]
fn c3_is_no_fault_when_a_task_was_done_meanwhile() {
    let (mut mesh, id, _) = planned("w");
    mesh.activate(&id);
    let node = mesh.assigned(&id, "a")[0];
    let progress = mesh.record_progress(&id, &["a"]);
    let failing = mesh.assigned(&id, "b")[0];
    mesh.one(mesh.failure(&id, "b", failing)).unwrap();
    let plan = mesh.plan(&id).unwrap();
    mesh.one(progress).unwrap();
    assert!(!mesh.record(&id).barred.contains(&node) || node == failing);
    let got = mesh.refuse(mesh.confirm(plan.clone()));
    assert_eq!(got, (RejectCode::IncompletePlan, false), "planned before the progress");
    let mut known = plan;
    known.made_at = mesh.height;
    let got = mesh.refuse(mesh.confirm(known));
    assert_eq!(got, (RejectCode::IncompletePlan, true), "planned after it");
}

#[test]
fn c4_levels_are_topological() {
    for (at, level) in [(0, 1), (1, 0), (1, 2), (3, 1), (3, u32::MAX)] {
        let got = refused("w", |_, plan| plan.assignments[at].level = level);
        assert_eq!(got, (RejectCode::WrongLevel, true), "task {at} at level {level}");
    }
    let got = refused("w", |mesh, plan| {
        mesh.block(1, vec![]);
        for at in 0..5 {
            mesh.put_node(at, NodeRoles::ALL, false);
        }
        plan.assignments[0].level = 1;
    });
    assert_eq!(got, (RejectCode::WrongLevel, true), "other records' changes excuse nothing");
}

const NO_WORKER: NodeRoles = NodeRoles { validator: true, scheduler: true, worker: false };

#[test]
fn c5_ineligible_nodes_are_a_fault_unless_they_became_so_after_the_plan() {
    type Change = fn(&mut Mesh);
    let changes: [(&str, Change); 8] = [
        ("no worker", |mesh| mesh.put_node(4, NO_WORKER, false)),
        ("quarantined", |mesh| mesh.put_node(4, NodeRoles::ALL, true)),
        ("another runtime", |mesh| {
            let key = mesh.key(4);
            let mut member = mesh.store.get::<Members>(&key).unwrap();
            if let trustmesh_types::records::Member::Node { info, changed, .. } = &mut member {
                info.runtimes.clear();
                *changed = mesh.height;
            }
            mesh.store.put::<Members>(&key, &member);
        }),
        ("another architecture", |mesh| {
            let mut record = mesh.store.get::<Apps>(&app()).unwrap();
            record.manifest.architectures = ["aarch64".to_owned()].into();
            record.changed = mesh.height;
            mesh.store.put::<Apps>(&app(), &record);
        }),
        ("the application failed there", |mesh| mesh.put_condition(4, Condition::Failed)),
        ("the application was never there", |mesh| {
            mesh.store.remove::<AppConditions>(&(app(), mesh.key(4)));
            let mut record = mesh.store.get::<Apps>(&app()).unwrap();
            record.changed = mesh.height;
            mesh.store.put::<Apps>(&app(), &record);
        }),
        ("the application begins anew", |mesh| {
            let mut record = mesh.store.get::<Apps>(&app()).unwrap();
            record.generation += 1;
            record.changed = mesh.height;
            mesh.store.put::<Apps>(&app(), &record);
        }),
        ("no snapshot", |mesh| {
            let (key, height) = (mesh.key(4), mesh.height);
            let mut load = mesh.store.get::<Loads>(&key).unwrap();
            load.snapshot = None;
            load.changed = height;
            mesh.store.put::<Loads>(&key, &load);
        }),
    ];
    for (what, change) in changes {
        let known = refused("w", |mesh, plan| {
            change(mesh);
            plan.assignments[0].nodes = vec![mesh.key(4)];
        });
        assert_eq!(known, (RejectCode::IneligibleNode, true), "{what}, seen by the planner");
        let unknown = refused("w", |mesh, plan| {
            plan.assignments[0].nodes = vec![mesh.key(4)];
            mesh.block(1, vec![]);
            change(mesh);
        });
        assert_eq!(unknown, (RejectCode::IneligibleNode, false), "{what}, after the plan");
    }
    let outsider = refused("w", |_, plan| plan.assignments[0].nodes = vec![PublicKey([9; 32])]);
    assert_eq!(outsider, (RejectCode::IneligibleNode, true), "no member");
    let device = refused("w", |m, plan| plan.assignments[0].nodes = vec![m.device.public()]);
    assert_eq!(device, (RejectCode::IneligibleNode, true), "no node");
}

#[test]
fn c5_a_snapshot_counts_until_its_deadline_has_fired() {
    let mut mesh = Mesh::new(5);
    let life_ms = mesh.parameters.snapshot_lifetime_ms();
    let fresh = (0..4).map(|at| mesh.report(at, 0)).collect();
    mesh.block(life_ms - 15, fresh);
    let id = mesh.submit("w");
    let mut plan = mesh.plan(&id).unwrap();
    plan.assignments[0].nodes = vec![mesh.key(4)];
    let results = {
        let tx = mesh.confirm(plan);
        mesh.block(10, vec![tx])
    };
    assert!(results[0].is_ok(), "the deadline fires at this block's end: {results:?}");
    assert!(mesh.store.get::<Loads>(&mesh.key(4)).unwrap().snapshot.is_none());
}

#[test]
fn c5_a_node_that_failed_the_request_is_barred_from_it() {
    let (mut mesh, id, _) = planned("w");
    mesh.activate(&id);
    let barred = mesh.assigned(&id, "a")[0];
    mesh.one(mesh.failure(&id, "a", barred)).unwrap();
    let mut plan = mesh.plan(&id).unwrap();
    assert!(plan.assignments.iter().all(|a| a.nodes != [barred]));
    plan.assignments[0].nodes = vec![barred];
    assert_eq!(mesh.refuse(mesh.confirm(plan)), (RejectCode::IneligibleNode, true));
}

#[test]
fn an_app_that_does_not_run_is_refused_without_fault() {
    for wanted in [AppState::Deployed, AppState::Stopped, AppState::Removed] {
        let got = refused("w", |mesh, _| mesh.put_app(wanted, NEEDS));
        assert_eq!(got, (RejectCode::AppState, false), "{wanted:?}");
    }
}

#[test]
fn c6_sums_per_node_must_fit_what_is_free() {
    let on_one = |mesh: &mut Mesh, plan: &mut Plan| {
        let node = mesh.key(4);
        plan.assignments.iter_mut().for_each(|a| a.nodes = vec![node]);
    };
    let (mut mesh, _, mut plan) = planned("w");
    on_one(&mut mesh, &mut plan);
    mesh.one(mesh.confirm(plan)).unwrap();
    let over = refused("w", |mesh, plan| {
        mesh.block(1, vec![mesh.report(4, 1)]);
        on_one(mesh, plan);
    });
    assert_eq!(over, (RejectCode::OverCapacity, false), "a milli is missing");
    let needs = Resources { cpu_millis: CAPACITY.cpu_millis / 4 + 1, ..NEEDS };
    let attested = refused("w", |mesh, plan| {
        mesh.put_app(AppState::Running, needs);
        on_one(mesh, plan);
    });
    assert_eq!(attested, (RejectCode::OverAttested, true), "more than there ever is");
}

#[test]
fn c6_over_attested_is_no_fault_when_the_app_was_deployed_anew() {
    let needs = Resources { cpu_millis: CAPACITY.cpu_millis + 1, ..NEEDS };
    let got = refused("w", |mesh, _| {
        mesh.block(1, vec![]);
        mesh.put_app(AppState::Running, needs);
    });
    assert_eq!(got, (RejectCode::OverAttested, false));
}

#[test]
fn the_third_rejected_plan_ends_the_designation() {
    let (mut mesh, id, plan) = planned("w");
    mesh.put_app(AppState::Stopped, NEEDS);
    let designee = mesh.designee(&id).unwrap();
    for rejections in 1..limits::PLAN_REJECTIONS_MAX {
        mesh.refuse(mesh.confirm(plan.clone()));
        let current = mesh.record(&id).designated.unwrap();
        assert_eq!((current.node, current.rejections), (designee, rejections));
    }
    mesh.refuse(mesh.confirm(plan));
    let record = mesh.record(&id);
    assert_eq!((record.designation, record.in_vain), (2, vec![designee]));
    assert_eq!(mesh.faults(), 0);
}

#[test]
fn of_two_requests_that_race_for_the_last_room_the_second_plans_again() {
    let mut mesh = Mesh::new(4);
    let (one, two) = (mesh.submit("one"), mesh.submit("one"));
    let node = mesh.key(0);
    mesh.one(mesh.report(0, CAPACITY.cpu_millis - NEEDS.cpu_millis)).unwrap();
    let on = |mut plan: Plan| {
        plan.assignments[0].nodes = vec![node];
        plan
    };
    let txs = [one, two].map(|id| mesh.confirm(on(mesh.plan(&id).unwrap())));
    let results = mesh.block(10, txs.to_vec());
    assert!(results[0].is_ok());
    let refused = results[1].clone().unwrap_err();
    assert_eq!((refused.code, refused.fault), (RejectCode::OverCapacity, false));
    mesh.activate(&two);
}
