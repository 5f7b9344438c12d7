//! How containers begin and end, and what an engine's end means.

use super::{Case, config, images, key};
use fixtures::{Engine, engine_call, skipped};
use futures::StreamExt as _;
use std::time::Duration;
use trustmesh_executor::{
    ContainerError, ContainerRunner,
    container::{EngineState, InstanceState},
};

#[tokio::test]
async fn one_that_does_not_begin_says_why() {
    let Some(case) = Case::of("one_that_does_not_begin_says_why").await else { return };
    let mode = |mode: &str| {
        let mut spec = case.spec();
        spec.environment = vec![("MODE".to_owned(), mode.to_owned())];
        spec.start_timeout = Duration::from_secs(5);
        spec
    };
    case.runner.start(mode("slow")).await.unwrap();
    let exits = case.runner.start(mode("exit")).await.unwrap_err().to_string();
    assert!(exits.contains("code 9") && exits.contains("can't begin"), "{exits}");
    let mut deaf = mode("deaf");
    deaf.start_timeout = Duration::from_millis(1_500);
    let deaf = case.runner.start(deaf).await.unwrap_err().to_string();
    assert!(deaf.contains("port 12345 within 1500 ms"), "{deaf}");
    let called = case.call_for("x", Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(called, ContainerError::NotRunning { .. }), "{called}");
    case.end().await;
}

#[tokio::test]
async fn an_image_is_what_its_files_are_or_refused() {
    let Some(case) = Case::of("an_image_is_what_its_files_are_or_refused").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let plain = images::image(folder.path(), "plain", false);
    case.runner.load(&plain).await.unwrap();
    case.runner.load(&plain).await.unwrap();
    case.runner.remove_image(&plain.manifest).await.unwrap();
    // A layer that is none, and one that is not the one that the configuration names.
    let mut other = images::image(folder.path(), "other", true);
    let good = std::mem::replace(&mut other.layers, plain.layers.clone());
    let error = case.runner.load(&other).await.unwrap_err();
    assert!(matches!(error, ContainerError::Image { .. }), "{error}");
    other.layers = good;
    std::fs::write(&other.layers[0].path, b"no layer at all").unwrap();
    other.layers[0].bytes = 15;
    let error = case.runner.load(&other).await.unwrap_err();
    assert!(matches!(error, ContainerError::Image { .. }), "{error}");
    other.layers[0].bytes = 16;
    assert!(case.runner.load(&other).await.is_err(), "a file that is too short");
    case.end().await;
}

#[tokio::test]
async fn what_a_node_left_goes_and_what_another_has_stays() {
    let test = "what_a_node_left_goes_and_what_another_has_stays";
    let Some(left) = Case::of(test).await else { return };
    let socket = &fixtures::engine(test).unwrap();
    let other = Case::on(socket.clone(), "another-node-of-the-same-engine").await;
    other.start().await;
    left.start().await;
    let name = |node: &str| format!("trustmesh-{}-app", &key(node)[..12]);
    let (mine, others) = (name(test), name("another-node-of-the-same-engine"));
    let listed = |what| engine_call(socket, "GET", what);
    assert!(listed("/containers/json?all=1").contains(&mine));
    // A process that is killed ends nothing.
    let killed = left.runner.clone();
    drop(left);
    drop(killed);
    let next = ContainerRunner::new(config(socket.clone(), test));
    assert_eq!(next.clean_up().await.unwrap(), 1);
    for what in ["/containers/json?all=1", "/networks"] {
        let names = listed(what);
        assert!(!names.contains(&mine), "{what}: {names}");
        assert!(names.contains(&others), "{what}: {names}");
    }
    assert_eq!(other.said("still here").await, "still here");
    other.end().await;
}

#[tokio::test]
async fn one_that_is_stopped_while_it_begins_leaves_nothing() {
    let test = "one_that_is_stopped_while_it_begins_leaves_nothing";
    let Some(case) = Case::of(test).await else { return };
    // Wherever each is by then: from before its network to after its first connection.
    let one = async |step: u64| {
        let mut spec = case.spec();
        spec.app = format!("app-{step}");
        let runner = case.runner.clone();
        let starting = tokio::spawn(async move { runner.start(spec).await });
        tokio::time::sleep(Duration::from_millis(8 * step)).await;
        case.runner.stop(&format!("app-{step}"), Duration::from_millis(1)).await.unwrap();
        let _ = starting.await.unwrap();
    };
    // A container that has begun takes a second to be killed: several at a time.
    futures::stream::iter(0..40).for_each_concurrent(8, one).await;
    // What the engine was asked for before is done when it has begun another one.
    case.start().await;
    let socket = &fixtures::engine(test).unwrap();
    let mine = format!("trustmesh-{}-app-", &key(test)[..12]);
    for what in ["/containers/json?all=1", "/networks"] {
        let names = engine_call(socket, "GET", what);
        assert!(!names.contains(&mine), "{what}: {names}");
    }
    case.end().await;
}

#[tokio::test]
async fn one_that_listens_no_more_is_begun_anew() {
    let Some(case) = Case::of("one_that_listens_no_more_is_begun_anew").await else { return };
    case.start().await;
    assert_eq!(case.said("deafen now").await, "deaf");
    let mut unheard = 0;
    while let Err(error) = case.call("well").await {
        assert!(matches!(error, ContainerError::Unheard { .. }), "{error}");
        unheard += 1;
        assert!(unheard < 20, "it stays deaf");
    }
    assert!(unheard > 0);
    case.end().await;
}

#[tokio::test]
async fn a_call_that_outlives_its_container_is_told_at_once() {
    let test = "a_call_that_outlives_its_container_is_told_at_once";
    let Some(case) = Case::of(test).await else { return };
    case.start().await;
    let calls = (0..20).map(|_| case.call_for("silent now", Duration::from_secs(600)));
    let calls = futures::future::join_all(calls);
    let stop = async {
        let told = async || case.runner.log("app", 20).await.unwrap().contains("told: silent now");
        while !told().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        case.runner.stop("app", Duration::from_secs(1)).await.unwrap();
    };
    // Those that run and those that wait for a place: none is sent to whoever comes after.
    let both = futures::future::join(calls, stop);
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    for call in ended {
        assert!(matches!(call, Err(ContainerError::NotRunning { .. })), "{call:?}");
    }
    case.end().await;
}

#[tokio::test]
async fn an_engine_that_goes_away_is_said_and_comes_back_by_itself() {
    let test = "an_engine_that_goes_away_is_said_and_comes_back_by_itself";
    let mut engine = match Engine::start() {
        Ok(engine) => engine,
        Err(why) => return skipped(test, &format!("no container engine: {why}")),
    };
    let case = Case::on(engine.socket(), test).await;
    case.start().await;
    let mut states = case.runner.states("app").unwrap();
    let mut seen = case.runner.engine();
    engine.down();
    let down = |it: &EngineState| matches!(it, EngineState::Down { .. });
    tokio::time::timeout(Duration::from_secs(30), seen.wait_for(down)).await.unwrap().unwrap();
    let failed =
        |it: &InstanceState| matches!(it, InstanceState::Failed { why } if why.contains("engine"));
    tokio::time::timeout(Duration::from_secs(30), states.wait_for(failed)).await.unwrap().unwrap();
    let error = case.call_for("x", Duration::from_secs(1)).await.unwrap_err();
    assert!(!error.blames_application(), "{error}");
    engine.up().unwrap();
    let running = |it: &InstanceState| *it == InstanceState::Running;
    tokio::time::timeout(Duration::from_secs(60), states.wait_for(running)).await.unwrap().unwrap();
    assert_eq!(case.said("back").await, "back");
    case.end().await;
}
