//! What applications do, well and badly.

use super::{Case, config};
use std::{
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};
use trustmesh_executor::{ContainerError, container::InstanceState};

#[tokio::test]
async fn data_comes_back_and_calls_run_side_by_side() {
    let Some(case) = Case::of("data_comes_back_and_calls_run_side_by_side").await else { return };
    case.start().await;
    let input = r#"{"data":[{"b":"}\"","a":[1,2.50]}],"inputs":{},"total_task_time":1}"#;
    let output = case.runner.call("app", input.into(), Duration::from_secs(20)).await.unwrap();
    assert_eq!(output.data, r#"[{"a":[1,2.5],"b":"}\""}]"#);
    let large = "x".repeat(1 << 20);
    assert_eq!(case.said(&large).await, large);
    let started = Instant::now();
    let calls = (0..8).map(|_| case.call("sleep 500"));
    for result in futures::future::join_all(calls).await {
        result.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let error = case.call("fail").await.unwrap_err();
    assert_eq!(error, ContainerError::App { message: "as told".to_owned() });
    assert!(case.runner.log("app", 50).await.unwrap().contains("begins"));
    case.end().await;
}

#[tokio::test]
async fn a_call_that_finds_no_place_in_time_is_no_fault_of_the_application() {
    let test = "a_call_that_finds_no_place_in_time_is_no_fault_of_the_application";
    let Some(case) = Case::of(test).await else { return };
    case.start().await;
    let waiting = config(PathBuf::new(), test).calls_max;
    let longer = futures::future::join_all((0..waiting).map(|_| case.call("sleep 1500")));
    let (longer, late) = tokio::join!(longer, case.call_for("late", Duration::from_millis(500)));
    let late = late.unwrap_err();
    assert_eq!(late, ContainerError::Busy { app: "app".to_owned(), waiting });
    assert!(!late.blames_application());
    assert!(longer.iter().all(Result::is_ok), "{longer:?}");
    case.end().await;
}

#[tokio::test]
async fn bad_answers_end_their_call_alone() {
    let Some(case) = Case::of("bad_answers_end_their_call_alone").await else { return };
    case.start().await;
    let brief = Duration::from_millis(800);
    let (silent, good) = tokio::join!(case.call_for("silent", brief), case.call("sleep 1000"));
    assert_eq!(silent.unwrap_err(), ContainerError::Timeout { timeout: brief });
    good.unwrap();
    let garbage = case.call("garbage").await.unwrap_err();
    assert!(matches!(&garbage, ContainerError::BadAnswer { .. }), "{garbage}");
    let half = case.call("half").await.unwrap_err();
    assert!(matches!(half, ContainerError::Broken { got_bytes: 14, .. }), "{half}");
    let endless = case.call("endless").await.unwrap_err();
    assert!(matches!(endless, ContainerError::AnswerTooLarge { .. }), "{endless}");
    assert!([garbage, half, endless].iter().all(ContainerError::blames_application));
    assert_eq!(case.said("well").await, "well");
    case.end().await;
}

#[tokio::test]
async fn a_container_has_the_least_that_it_can_run_with() {
    let Some(case) = Case::of("a_container_has_the_least_that_it_can_run_with").await else {
        return;
    };
    case.start().await;
    let written = case.said("write").await;
    assert!(written.contains("root: read-only filesystem"), "{written}");
    assert!(written.contains("tmp: done") && !written.contains("much: done"), "{written}");
    let privileges = case.said("privileges").await;
    assert!(privileges.starts_with("caps 0000000000000000 new 1 chown"), "{privileges}");
    assert!(!privileges.ends_with("done"), "{privileges}");
    let threads: u32 = case.said("fork").await.parse().unwrap();
    assert!((10..300).contains(&threads), "{threads}");
    assert_eq!(case.said("env HTTPS_PROXY").await, "unset");
    case.end().await;
}

#[tokio::test]
async fn there_is_no_way_out_but_the_one_that_is_granted() {
    let Some(case) = Case::of("there_is_no_way_out_but_the_one_that_is_granted").await else {
        return;
    };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let granted = format!("127.0.0.1:{}", server.local_addr().unwrap().port());
    let mut spec = case.spec();
    spec.hosts = vec![granted.clone()];
    spec.environment = vec![("LEVEL".to_owned(), "info".to_owned())];
    case.runner.start(spec).await.unwrap();
    assert_eq!(case.said("env LEVEL").await, "info");
    // No route leads anywhere: neither to the world nor to this machine's other addresses.
    for address in ["192.0.2.1:80", "127.0.0.1:9", "8.8.8.8:53"] {
        assert_ne!(case.said(&format!("connect {address}")).await, "done", "{address}");
    }
    assert_eq!(case.said(&format!("proxy {granted}")).await, "HTTP/1.1 200");
    assert_eq!(case.said("proxy 127.0.0.1:1").await, "HTTP/1.1 403");
    case.end().await;
}

#[tokio::test]
async fn one_that_ends_is_begun_again_and_its_call_fails_over() {
    let Some(case) = Case::of("one_that_ends_is_begun_again_and_its_call_fails_over").await else {
        return;
    };
    case.start().await;
    // Calls under way on a container that ends are made on the next one, and the one that ends
    // it not for ever.
    let calls = ["sleep 1500", "exit", "sleep 1500"].map(|it| case.call(it));
    let [first, exit, last] = futures::future::join_all(calls).await.try_into().unwrap();
    first.unwrap();
    last.unwrap();
    let exit = exit.unwrap_err();
    assert!(matches!(exit, ContainerError::Broken { got_bytes: 0, .. }), "{exit}");
    assert!(exit.blames_application());
    assert_eq!(case.said("again").await, "again");
    case.end().await;
}

#[tokio::test]
async fn one_that_eats_its_memory_is_named_and_back() {
    let Some(case) = Case::of("one_that_eats_its_memory_is_named_and_back").await else { return };
    case.start().await;
    let mut states = case.runner.states("app").unwrap();
    let watched = tokio::spawn(async move {
        let named = |it: &InstanceState| {
            matches!(it, InstanceState::Restarting { why } | InstanceState::Failed { why }
                if why.contains("64 MiB of memory"))
        };
        tokio::time::timeout(Duration::from_secs(60), states.wait_for(named)).await.is_ok()
    });
    let eaten = case.call("eat").await.unwrap_err();
    assert!(matches!(eaten, ContainerError::Broken { .. }), "{eaten}");
    assert!(watched.await.unwrap());
    assert_eq!(case.said("again").await, "again");
    case.end().await;
}
