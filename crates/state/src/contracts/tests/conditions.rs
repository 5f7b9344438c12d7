//! What nodes say of their copies of applications, and who may publish at all.

use super::{refuses, takes};
use crate::fixture::{Net, Tx, clerk, device, operator, secret};
use trustmesh_types::{
    AppId, Payload, PublicKey,
    events::Event,
    limits,
    receipt::Outcome,
    records::{AppState, Condition, OperatorInfo},
    reject::RejectCode::{
        self, InvalidValue, LastOperator, MemberExists, TooSoon, UnknownApp, UnknownMember,
        WrongRole,
    },
    transaction::AppReport,
};

fn app() -> AppId {
    AppId::new("app").unwrap()
}

fn report(node: u8, generation: u32, condition: Condition, note: Option<&str>) -> Tx {
    let note = note.map(str::to_owned);
    let report = AppReport { app: app(), generation, condition, note };
    (secret(node).public(), Payload::ReportApp(report))
}

fn failed(node: u8, why: &str) -> Tx {
    report(node, 1, Condition::Failed, Some(why))
}

fn restart() -> Tx {
    (operator().public(), Payload::RestartApp { app: app() })
}

fn set(wanted: AppState) -> Tx {
    (operator().public(), Payload::SetAppState { app: app(), wanted })
}

fn admit(key: PublicKey, publisher: bool) -> Payload {
    Payload::AdmitOperator(OperatorInfo { key, name: "new".into(), publisher })
}

fn revoke(operator: PublicKey) -> Payload {
    Payload::RevokeOperator { operator }
}

/// Nodes whose word that they run the application counts.
fn running(net: &Net) -> usize {
    let record = net.state.app(&app()).unwrap();
    let said = net.state.app_conditions(&record);
    said.values().filter(|it| it.condition == Condition::Running).count()
}

#[test]
fn a_node_speaks_for_its_own_copy_of_the_newest_generation() {
    let mut net = Net::new();
    net.block(10, vec![]);
    let unknown = AppReport {
        app: AppId::new("x").unwrap(),
        generation: 1,
        condition: Condition::Running,
        note: None,
    };
    let long = "x".repeat(limits::TEXT_BYTES_MAX + 1);
    refuses(
        &net,
        vec![
            ("an operator", (operator().public(), failed(1, "x").1), WrongRole),
            ("a device", (device().public(), failed(1, "x").1), WrongRole),
            ("unknown", (secret(1).public(), Payload::ReportApp(unknown)), UnknownApp),
            (
                "another generation",
                report(1, 2, Condition::Failed, Some("x")),
                RejectCode::AppState,
            ),
            ("said before", report(1, 1, Condition::Running, None), RejectCode::AppState),
            ("no reason", report(1, 1, Condition::Failed, None), InvalidValue),
            ("a long reason", failed(1, &long), InvalidValue),
        ],
    );
    assert_eq!(running(&net), 6);
    net.one(failed(1, "the engine is down")).unwrap();
    assert_eq!(running(&net), 5);
    let again = net.one(report(1, 1, Condition::Running, None)).unwrap_err();
    assert_eq!(again.code, TooSoon, "{again}");
    net.one(report(1, 1, Condition::Running, Some("taken from node-2"))).unwrap();
    assert_eq!(running(&net), 6);
}

#[test]
fn who_begins_anew_has_to_say_so_again() {
    for (what, steps) in [
        ("restarted", vec![restart()]),
        ("stopped and started", vec![set(AppState::Stopped), set(AppState::Running)]),
    ] {
        let mut net = Net::new();
        for step in steps {
            net.one(step).unwrap();
            assert_eq!(running(&net), 0, "{what}");
        }
        let generation = net.state.app(&app()).unwrap().generation;
        assert_eq!(generation, 2, "{what}");
        net.one(report(3, generation, Condition::Running, None)).unwrap();
        assert_eq!(running(&net), 1, "{what}");
    }
    let mut net = Net::new();
    net.one(set(AppState::Stopped)).unwrap();
    assert_eq!(net.one(restart()).unwrap_err().code, RejectCode::AppState);
    assert_eq!(
        net.one(report(1, 1, Condition::Running, None)).unwrap_err().code,
        RejectCode::AppState
    );
    let clerk = (clerk().public(), restart().1);
    assert_eq!(Net::new().one(clerk).unwrap_err().code, WrongRole);
}

#[test]
fn a_request_waits_until_enough_nodes_run_its_application() {
    let mut net = Net::new();
    net.one(restart()).unwrap();
    let (id, submit) = net.submission("one", 60_000);
    net.one(submit).unwrap();
    let plan = net.plan(&id, 0).unwrap();
    let refused = net.one(plan).unwrap_err();
    assert!(refused.reason.contains("has not said that it runs"), "{refused}");
    for n in 1..=6 {
        net.one(report(n, 2, Condition::Running, None)).unwrap();
    }
    let plan = net.plan(&id, 0).unwrap();
    net.one(plan).unwrap();
}

#[test]
fn operators_come_and_go_but_one_stays() {
    let net = Net::new();
    let by = |payload| (operator().public(), payload);
    refuses(
        &net,
        vec![
            ("a node admits", (secret(1).public(), admit(secret(60).public(), true)), WrongRole),
            ("a node's key", by(admit(secret(1).public(), true)), MemberExists),
            ("a device's key", by(admit(device().public(), true)), MemberExists),
            ("nobody's key", by(admit(PublicKey([0; 32]), true)), InvalidValue),
            ("a node revoked", by(revoke(secret(1).public())), UnknownMember),
            ("unknown", by(revoke(secret(60).public())), UnknownMember),
            ("a device revokes", (device().public(), revoke(clerk().public())), WrongRole),
        ],
    );
    takes(&net, vec![("new", by(admit(secret(60).public(), true)))]);
    let mut net = net;
    net.one(by(revoke(clerk().public()))).unwrap();
    assert_eq!(net.one(by(revoke(clerk().public()))).unwrap_err().code, UnknownMember);
    assert_eq!(net.one(by(revoke(operator().public()))).unwrap_err().code, LastOperator);
    net.one(by(admit(clerk().public(), true))).unwrap();
    net.one(by(revoke(operator().public()))).unwrap();
    let member = net.state.member(&operator().public()).unwrap();
    assert!(member.revoked() && !net.state.may_publish(&operator().public()));
}

#[test]
fn who_may_publish_is_for_those_who_may() {
    let (one, other) = (operator().public(), clerk().public());
    let mut net = Net::new();
    refuses(
        &net,
        vec![
            ("for oneself", (other, admit(other, true)), WrongRole),
            ("for another", (other, admit(secret(60).public(), true)), WrongRole),
            ("taken", (other, admit(one, false)), WrongRole),
            ("revoked", (other, revoke(one)), WrongRole),
            ("the last one", (one, admit(one, false)), LastOperator),
            ("the last one revoked", (one, revoke(one)), LastOperator),
        ],
    );
    takes(&net, vec![("without the role", (other, admit(secret(60).public(), false)))]);
    net.one((one, admit(other, true))).unwrap();
    net.one((other, revoke(one))).unwrap();
    assert!(net.state.may_publish(&other) && !net.state.may_publish(&one));
}

#[test]
fn what_a_revoked_publisher_published_stops_and_stays_so() {
    for (what, end) in [
        ("revoked", revoke(operator().public())),
        ("no publisher any more", admit(operator().public(), false)),
    ] {
        let mut net = Net::new();
        net.one((operator().public(), admit(clerk().public(), true))).unwrap();
        let executed = net.block(10, vec![(clerk().public(), end)]);
        assert_eq!(executed.receipts[0].outcome, Outcome::Applied, "{what}");
        let stopped = Event::AppStateChanged { app: app(), wanted: AppState::Stopped };
        assert!(executed.events.contains(&stopped), "{what}: {:?}", executed.events);
        assert_eq!(running(&net), 0, "{what}");
        let start = (clerk().public(), set(AppState::Running).1);
        let refused = net.one(start).unwrap_err();
        assert_eq!(refused.code, RejectCode::AppState, "{what}");
        assert!(refused.reason.contains("deploy it anew"), "{what}: {refused}");
        net.one((clerk().public(), set(AppState::Removed).1)).unwrap();
    }
}
