//! Definition files of every form, and what is refused.

use super::read;

fn refused(text: &str) -> String {
    read(text, None).unwrap_err().to_string()
}

#[test]
fn yaml_keeps_order_and_defaults() {
    let text = "name: cold-chain\ntasks:\n  process: { app: process-sensor-data }\n  \
                detect: { app: detect-anomalies, after: [process], timeout: 5s, params: { b: 1, a: 2 } }\n";
    let workflow = read(text, None).unwrap();
    assert_eq!(workflow.id.as_str(), "cold-chain");
    let names: Vec<&str> = workflow.tasks.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(names, ["process", "detect"]);
    assert_eq!(workflow.tasks[1].params, r#"{"a":2,"b":1}"#);
    assert_eq!(workflow.tasks[1].timeout_ms, 5_000);
    // A name given beside the text is for texts that have none.
    assert_eq!(read(text, Some("other")).unwrap().id.as_str(), "cold-chain");
}

#[test]
fn the_authors_graph_gives_the_same_edges() {
    let text = r#"{"start": "a", "nodes": {"a": {"next": ["b", "c"]}, "b": {"next": ["d"]},
        "c": {"next": ["d"]}, "d": {"next": []}}}"#;
    let workflow = read(text, Some("diamond")).unwrap();
    let last = workflow.tasks.iter().find(|t| t.id.as_str() == "d").unwrap();
    let after: Vec<&str> = last.after.iter().map(|t| t.as_str()).collect();
    assert_eq!(after, ["b", "c"]);
    assert_eq!(last.app.as_str(), "d");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("name: w\ntasks: {}\n", "no task"),
        ("name: w\ntasks: { a: { app: x, after: [a] } }\n", "itself"),
        ("name: w\ntasks: { a: { app: x, after: [b] }, b: { app: x, after: [a] } }\n", "cycle"),
        ("name: w\ntasks: { a: { app: x, after: [z] } }\n", "z"),
        ("name: w\ntasks: { a: { app: x, timeout: soon } }\n", "timeout"),
        ("name: w\ntasks: { a: { ap: x } }\n", "ap"),
        ("name: w\ntasks: [\n", "line"),
        (r#"{"name": "w", "start": "z", "nodes": {"a": {}}}"#, "z"),
        (r#"{"name": "w", "start": "a", "nodes": {"a": {}, "b": {}}}"#, "b"),
        (r#"{"name": "w", "start": "a", "nodes": {"a": {"next": ["q"]}}}"#, "q"),
        (r#"{"start": }"#, "line 1"),
    ];
    for (text, part) in cases {
        let message = refused(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}
