//! Workflows and applications as operators write them, in YAML and JSON, the JSON of applications,
//! and names and signatures of images.

use crate::{Decoder, choose, memory::bounded};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use trustmesh_api::{app_file, definition, duration};
use trustmesh_data::artifacts::{cosign, oci::Reference};
use trustmesh_types::{Digest, canonical, codec, workflow::Workflow};

/// What the first byte chooses from.
pub const DECODERS: &[Decoder] = &[
    ("workflow", workflow),
    ("canonical", canonical_json),
    ("app", app),
    ("image", image),
    ("cosign", signatures),
];

/// One input.
pub fn run(data: &[u8]) {
    choose(DECODERS, data);
}

fn workflow(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = || definition::read(text, Some("unnamed"));
    let Ok(workflow) = bounded("definition", bytes.len(), read) else { return };
    workflow.validate().expect("what is read is valid");
    let encoded = codec::encode(&workflow);
    let decoded = codec::decode::<Workflow>("workflow", &encoded, encoded.len());
    assert_eq!(decoded.as_ref(), Ok(&workflow));
    let written = written(&workflow);
    let again = definition::read(&written, None);
    assert_eq!(again.as_ref(), Ok(&workflow), "written as a definition: {written}");
}

fn app(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(app) = bounded("app file", bytes.len(), || app_file::read(text)) else { return };
    assert_eq!(app_file::read(text).as_ref(), Ok(&app), "the same text means the same");
}

fn image(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = || text.parse::<Reference>();
    let Ok(reference) = bounded("reference", bytes.len(), read) else { return };
    assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference), "its name names it");
}

/// A key that signed nothing here.
const SOMEBODY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
";

fn signatures(bytes: &[u8]) {
    let (image, blob) = (Digest::of(b"image"), Bytes::copy_from_slice(bytes));
    let named = bounded("cosign", bytes.len(), || cosign::named(bytes)).unwrap_or_default();
    let mut all: Vec<_> = named.into_iter().map(|it| it.with(blob.clone())).collect();
    all.push(cosign::Signature::Bundle(blob));
    let verify = || cosign::verify(&image, SOMEBODY, &all);
    bounded("cosign", bytes.len(), verify).expect_err("nobody signed it");
}

/// The workflow as a definition, by hand: nothing of the product writes one.
fn written(workflow: &Workflow) -> String {
    let mut text = format!("{{\"name\":\"{}\",", workflow.id);
    if let Some(scheduler) = &workflow.scheduler {
        text.push_str(&format!("\"scheduler\":\"{scheduler}\","));
    }
    let task = |task: &trustmesh_types::workflow::Task| {
        let params: Value = serde_json::from_str(&task.params).expect("params are JSON");
        let after: Vec<&str> = task.after.iter().map(|id| id.as_str()).collect();
        let mut entry = Map::new();
        entry.insert("app".to_owned(), json!(task.app.as_str()));
        entry.insert("after".to_owned(), json!(after));
        entry.insert("timeout".to_owned(), json!(duration::text(task.timeout_ms)));
        entry.insert("params".to_owned(), params);
        entry.insert("replicas".to_owned(), json!(task.replicas));
        format!("\"{}\":{}", task.id, Value::Object(entry))
    };
    let tasks: Vec<String> = workflow.tasks.iter().map(task).collect();
    text.push_str(&format!("\"tasks\":{{{}}}}}", tasks.join(",")));
    text
}

fn canonical_json(bytes: &[u8]) {
    let read = || serde_json::from_slice::<Value>(bytes);
    let Ok(value) = bounded("JSON", bytes.len(), read) else { return };
    let Ok(once) = canonical::to_canonical(&value) else { return };
    let value: Value = serde_json::from_slice(&once).expect("canonical JSON is JSON");
    let twice = canonical::to_canonical(&value).expect("canonical JSON has a canonical form");
    assert_eq!(once, twice, "the canonical form has another one");
}
