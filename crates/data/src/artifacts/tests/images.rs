//! Manifests, indexes and configurations, and what of them is refused.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trustmesh_types::Digest;

fn descriptor(blob: &[u8], media_type: &str) -> Value {
    let digest = format!("sha256:{}", Digest::of(blob));
    json!({ "mediaType": media_type, "digest": digest, "size": blob.len() })
}

/// An image for an OCI architecture: manifest, configuration, layer.
fn image(architecture: &str) -> [Vec<u8>; 3] {
    let config = json!({ "os": "linux", "architecture": architecture }).to_string().into_bytes();
    let layer = bytes(1_000, architecture.len() as u64);
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor(&config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(&layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    });
    [manifest.to_string().into_bytes(), config, layer]
}

fn index(images: &[(&str, &[Vec<u8>; 3])]) -> Vec<u8> {
    let manifests: Vec<Value> = images
        .iter()
        .map(|(architecture, image)| {
            let mut named = descriptor(&image[0], "application/vnd.oci.image.manifest.v1+json");
            named["platform"] = json!({ "os": "linux", "architecture": architecture });
            named
        })
        .collect();
    json!({ "schemaVersion": 2, "manifests": manifests }).to_string().into_bytes()
}

struct Kept {
    _dir: TempDir,
    store: ArtifactStore,
    contents: Contents,
}

fn kept(blobs: &[Vec<u8>]) -> Kept {
    let dir = folder();
    let (store, contents) = (open(dir.path()), artifact(blobs));
    keep(&store, &contents, blobs);
    Kept { _dir: dir, store, contents }
}

#[test]
fn a_node_picks_its_architecture_and_needs_no_other() {
    let (intel, arm) = (image("amd64"), image("arm64"));
    let root = index(&[("amd64", &intel), ("arm64", &arm)]);
    let all: Vec<Vec<u8>> = [vec![root.clone()], intel.to_vec(), arm.to_vec()].concat();
    let Kept { store, contents, _dir } = kept(&all);
    let picked = Image::pick(&store, &contents, "aarch64").unwrap();
    assert_eq!(picked.manifest, Digest::of(&arm[0]));
    assert_eq!((picked.config_digest, &picked.config[..]), (Digest::of(&arm[1]), &arm[1][..]));
    assert_eq!(picked.layers.len(), 1);
    assert_eq!(std::fs::read(&picked.layers[0].path).unwrap(), arm[2]);
    let there = architectures(&store, &contents).unwrap();
    assert_eq!(there, BTreeSet::from(["aarch64".to_owned(), "x86_64".to_owned()]));
    let error = Image::pick(&store, &contents, "riscv64").unwrap_err().to_string();
    assert!(error.contains("for aarch64, x86_64, not for riscv64"), "{error}");
    // Step by step, as it is fetched: the root, the manifest, the rest.
    let (dir, mut needed) = (folder(), Vec::new());
    let empty = open(dir.path());
    empty.begin(&contents).unwrap();
    for _ in 0..3 {
        needed = super::super::image::needed(&empty, &contents, "x86_64").unwrap();
        for entry in &needed {
            let blob = all.iter().find(|it| Digest::of(it) == entry.digest).unwrap();
            empty.put_blob(entry, blob).unwrap();
        }
    }
    let got: BTreeSet<Digest> = needed.iter().map(|entry| entry.digest).collect();
    let mine = [&root, &intel[0], &intel[1], &intel[2]];
    assert_eq!(got, mine.map(|blob| Digest::of(blob)).into());
}

#[test]
fn a_changed_layer_or_a_manifest_that_lies_is_refused() {
    let [manifest, config, layer] = image("amd64");
    let Kept { store, contents, _dir } = kept(&[manifest.clone(), config.clone(), layer.clone()]);
    let path = store.path(&Digest::of(&layer)).unwrap();
    std::fs::write(path, bytes(1_000, 99)).unwrap();
    let error = Image::pick(&store, &contents, "x86_64").unwrap_err();
    assert_eq!(error, ArtifactError::Damaged { digest: Digest::of(&layer) });

    let lacking = kept(&[manifest, config.clone()]);
    let error = Image::pick(&lacking.store, &lacking.contents, "x86_64").unwrap_err();
    assert!(error.to_string().contains("which its contents have not"), "{error}");

    let mut named = descriptor(&layer, "application/vnd.oci.image.layer.v1.tar");
    named["size"] = json!(7);
    let lying = json!({ "config": descriptor(&config, ""), "layers": [named] });
    let lying = kept(&[lying.to_string().into_bytes(), config.clone(), layer.clone()]);
    let error = Image::pick(&lying.store, &lying.contents, "x86_64").unwrap_err();
    assert!(error.to_string().contains("has 1000 bytes, 7 named"), "{error}");

    let other = json!({ "os": "windows", "architecture": "amd64" }).to_string().into_bytes();
    let windows =
        json!({ "config": descriptor(&other, ""), "layers": [] }).to_string().into_bytes();
    let windows = kept(&[windows, other]);
    let error = Image::pick(&windows.store, &windows.contents, "x86_64").unwrap_err();
    assert!(error.to_string().contains("for windows"), "{error}");

    for (text, part) in [
        ("{", "does not parse"),
        ("{}", "does not parse"),
        (r#"{"config": {"digest": "md5:0", "size": 1}, "layers": []}"#, "no sha256 digest"),
    ] {
        let bad = kept(&[text.as_bytes().to_vec()]);
        let error = Image::pick(&bad.store, &bad.contents, "x86_64").unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_module_is_raw_or_the_one_layer_of_an_oci_artifact() {
    let wasm = b"\0asm\x01\0\0\0".to_vec();
    let raw = kept(std::slice::from_ref(&wasm));
    assert_eq!(module(&raw.store, &raw.contents).unwrap(), wasm);
    assert!(architectures(&raw.store, &raw.contents).unwrap().is_empty());
    let config = b"{}".to_vec();
    let config_type = "application/vnd.wasm.config.v0+json";
    let of = |layers: Vec<Value>| {
        let manifest = json!({ "config": descriptor(&config, config_type), "layers": layers });
        kept(&[manifest.to_string().into_bytes(), config.clone(), wasm.clone()])
    };
    let layer = descriptor(&wasm, "application/wasm");
    let packed = of(vec![layer.clone()]);
    assert_eq!(module(&packed.store, &packed.contents).unwrap(), wasm);
    assert!(architectures(&packed.store, &packed.contents).unwrap().is_empty());
    for layers in [vec![], vec![layer.clone(), layer]] {
        let bad = of(layers);
        let error = module(&bad.store, &bad.contents).unwrap_err().to_string();
        assert!(error.contains("not one layer"), "{error}");
    }
    let [manifest, config, layer] = image("amd64");
    let other = kept(&[manifest, config, layer]);
    assert!(module(&other.store, &other.contents).is_err(), "an image is no module");
}

#[test]
fn an_index_is_picked_from_by_variant_and_bounded() {
    let (newer, plain) = (image("amd64"), {
        let mut other = image("amd64");
        other[2].push(1);
        let config = other[1].clone();
        let manifest = json!({
            "schemaVersion": 2,
            "config": descriptor(&config, "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor(&other[2], "application/vnd.oci.image.layer.v1.tar+gzip")],
        });
        other[0] = manifest.to_string().into_bytes();
        other
    });
    let mut root: Value =
        serde_json::from_slice(&index(&[("amd64", &newer), ("amd64", &plain)])).expect("an index");
    root["manifests"][0]["platform"]["variant"] = json!("v3");
    let root = root.to_string().into_bytes();
    let all = [vec![root], newer.to_vec(), vec![plain[0].clone(), plain[2].clone()]].concat();
    let Kept { store, contents, _dir } = kept(&all);
    let picked = Image::pick(&store, &contents, "x86_64").unwrap();
    assert_eq!(picked.manifest, Digest::of(&plain[0]), "what every processor runs");
    // Much that is no manifest is not taken apart.
    let huge = format!("{{\"manifests\":[],\"x\":\"{}\"}}", "0".repeat(5 << 20));
    let Kept { store, contents, _dir } = kept(&[huge.into_bytes()]);
    let error = architectures(&store, &contents).unwrap_err();
    assert!(matches!(error, ArtifactError::Unusable { .. }), "{error}");
}
