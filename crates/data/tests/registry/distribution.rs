//! What a real registry takes and gives.

use crate::place::{IMAGE, MODULE, all, bytes, open, reference, repository, settings};
use bytes::Bytes;
use std::{fs, sync::Arc};
use trustmesh_data::artifacts::{
    ArtifactStore, ObtainOptions, Source, Wanted, module, obtain,
    oci::{OciError, Pushed, Registry, RegistrySource, Tag, Upload},
};
use trustmesh_types::{Contents, Digest, contents::BlobEntry};

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_module_goes_there_and_is_obtained_from_there() {
    let Some(process) = fixtures::Registry::plain("a_module_goes_there_and_is_obtained_from_there")
    else {
        return;
    };
    let (registry, repo) = (open(&process.host), repository("apps/detect"));
    let wasm = Bytes::from([MODULE, &bytes(3_000_000)].concat());
    let pushed = registry.push_module(&repo, &tag("1.0"), wasm.clone()).await.unwrap();
    let again = registry.push_module(&repo, &tag("1.0"), wasm.clone()).await.unwrap();
    assert_eq!(pushed, again, "the same module has the same manifest");

    let resolved = registry.resolve(&reference(&registry, "apps/detect:1.0")).await.unwrap();
    assert_eq!((resolved.digest, resolved.media_type.as_str()), (pushed, IMAGE));
    let pinned = reference(&registry, &format!("apps/detect:other@sha256:{pushed}"));
    assert_eq!(registry.resolve(&pinned).await.unwrap(), resolved, "a digest goes before a tag");
    assert!(registry.has_manifest(&repo, pushed).await.unwrap());
    assert!(!registry.has_manifest(&repo, Digest::of(b"other")).await.unwrap());

    // The layout, as CNCF's page has it.
    let manifest: serde_json::Value = serde_json::from_slice(&resolved.bytes).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let digest = |text: &serde_json::Value| -> Digest {
        text.as_str().unwrap().strip_prefix("sha256:").unwrap().parse().unwrap()
    };
    let config_digest = digest(&manifest["config"]["digest"]);
    let length = manifest["config"]["size"].as_u64().unwrap();
    let config = registry.small_blob(&repo, config_digest, length).await.unwrap();
    let said: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!((&said["architecture"], &said["os"]), (&"wasm".into(), &"wasip1".into()));
    assert_eq!(said["layerDigests"][0], manifest["layers"][0]["digest"]);

    // As a node fetches it: by contents, chunk by chunk, the manifest like a blob.
    let blobs = [resolved.bytes, config, wasm.clone()].map(|it| BlobEntry::of(&it));
    let contents = Contents::new(pushed, blobs.to_vec()).unwrap();
    let store = ArtifactStore::open(process.folder.path(), 1 << 30).unwrap();
    store.begin(&contents).unwrap();
    let source: Arc<dyn Source> = Arc::new(RegistrySource::new(registry, repo));
    let options = ObtainOptions::new(Wanted::All);
    let got = obtain(&store, contents.digest(), vec![source], &options).await.unwrap();
    assert!(got.liars.is_empty());
    assert_eq!(module(&store, &contents).unwrap(), wasm);
}

#[tokio::test]
async fn large_files_go_there_and_come_back_by_ranges() {
    let Some(process) = fixtures::Registry::plain("large_files_go_there_and_come_back_by_ranges")
    else {
        return;
    };
    let (registry, repo) = (open(&process.host), repository("layers"));
    let layer = bytes(20_000_001);
    let (digest, file) = (Digest::of(&layer), process.folder.path().join("layer"));
    fs::write(&file, &layer).unwrap();
    assert!(!registry.has_blob(&repo, digest).await.unwrap());
    let push = || registry.push_blob(&repo, digest, Upload::File(&file));
    assert_eq!(push().await.unwrap(), Pushed::Sent);
    assert_eq!(push().await.unwrap(), Pushed::Present);
    for range in [0..1, 0..layer.len(), 4_999_999..5_000_001, layer.len() - 1..layer.len(), 7..7] {
        let asked = range.start as u64..range.end as u64;
        let got = all(registry.blob(&repo, digest, asked).await).await.unwrap();
        assert!(got == layer[range.clone()], "{range:?}");
    }
    let whole = registry.whole_blob(&repo, digest, layer.len() as u64).await;
    assert!(all(whole).await.unwrap() == layer);
    // Beyond its end, and of another length than it has.
    let end = layer.len() as u64;
    let beyond = all(registry.blob(&repo, digest, end - 1..end + 1).await).await;
    assert!(matches!(beyond, Err(OciError::Short { .. })), "{beyond:?}");
    let after = all(registry.blob(&repo, digest, end..end + 1).await).await;
    assert!(matches!(after, Err(OciError::Short { .. })), "{after:?}");
    let less = all(registry.whole_blob(&repo, digest, end - 1).await).await;
    assert!(matches!(less, Err(OciError::WrongDigest { .. })));
}

#[tokio::test]
async fn what_is_not_what_it_should_be_never_gets_there() {
    let test = "what_is_not_what_it_should_be_never_gets_there";
    let Some(process) = fixtures::Registry::plain(test) else { return };
    let (registry, repo) = (open(&process.host), repository("layers"));
    let (layer, file) = (bytes(700_000), process.folder.path().join("layer"));
    fs::write(&file, &layer).unwrap();
    let other = Digest::of(b"other");
    for upload in [Upload::File(&file), Upload::Bytes(layer.clone().into())] {
        let refused = registry.push_blob(&repo, other, upload).await.unwrap_err();
        assert!(refused.to_string().contains("another digest"), "{refused}");
        for digest in [other, Digest::of(&layer)] {
            assert!(!registry.has_blob(&repo, digest).await.unwrap());
        }
    }
    let component = Bytes::from_static(b"\0asm\x0d\0\x01\0");
    let refused = registry.push_module(&repo, &tag("x"), component).await.unwrap_err();
    assert!(matches!(refused, OciError::Unfit { .. }));
    // A manifest whose blobs are not there: the registry's own words, as far as they are known.
    let config = Digest::of(b"nothing");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{{"mediaType":"x/y","digest":"sha256:{config}","size":7}},"layers":[]}}"#
    );
    let refused = registry.push_manifest(&repo, IMAGE, manifest.into(), None).await.unwrap_err();
    assert!(refused.to_string().contains("400 (MANIFEST_BLOB_UNKNOWN)"), "{refused}");
    // Nothing at all is a blob, too.
    let empty = Upload::Bytes(Bytes::new());
    let digest = Digest::of(b"");
    assert_eq!(registry.push_blob(&repo, digest, empty).await.unwrap(), Pushed::Sent);
    assert_eq!(registry.small_blob(&repo, digest, 0).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn what_is_not_there_is_told_in_words() {
    let Some(process) = fixtures::Registry::plain("what_is_not_there_is_told_in_words") else {
        return;
    };
    let (registry, repo) = (open(&process.host), repository("apps/none"));
    let missing = registry.resolve(&reference(&registry, "apps/none:1.0")).await.unwrap_err();
    let expected = format!(
        "registry {} has no manifest 1.0 in repository apps/none: check the name, or deploy the \
         application again to put it there",
        process.host
    );
    assert_eq!(missing.to_string(), expected);
    let missing = all(registry.blob(&repo, Digest::of(b"x"), 0..9).await).await.unwrap_err();
    assert!(matches!(missing, OciError::NotFound { what, .. } if what.starts_with("blob")));
    let elsewhere = "other.example/a:1".parse().unwrap();
    assert!(matches!(registry.resolve(&elsewhere).await, Err(OciError::Reference { .. })));
}

#[tokio::test]
async fn a_registry_that_is_gone_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let registry = Registry::new(&settings(&host)).unwrap();
    let gone = registry.has_blob(&repository("a"), Digest::of(b"x")).await.unwrap_err();
    assert!(gone.to_string().contains(&format!("registry {host} can't be reached")), "{gone}");
}
