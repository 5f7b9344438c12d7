//! Whole artifacts into a registry and out of it again.

use crate::place::{IMAGE, MODULE, bytes, open, reference, repository};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use trustmesh_data::artifacts::{
    ArtifactError, ArtifactStore, Image, ObtainOptions, Source, Wanted, architectures, module,
    obtain,
    oci::{Registry, RegistrySource, Repository, Tag},
    pack,
};
use trustmesh_types::{Contents, Digest};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ROOM: u64 = 64 << 20;

fn store(folder: &Path, name: &str) -> ArtifactStore {
    ArtifactStore::open(&folder.join(name), ROOM).unwrap()
}

/// An image for two architectures, as an OCI layout.
fn layout(folder: &Path) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, blob: &[u8]| {
        let digest = Digest::of(blob);
        std::fs::write(blobs.join(digest.to_string()), blob).unwrap();
        json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": blob.len() })
    };
    let json = |kind: &str, value: &Value| put(kind, value.to_string().as_bytes());
    let shared = put("application/vnd.oci.image.layer.v1.tar", &bytes(2_500_000));
    let image = |architecture: &str| {
        let kind = "application/vnd.oci.image.config.v1+json";
        let config = json(kind, &json!({ "os": "linux", "architecture": architecture }));
        let own = put("application/vnd.oci.image.layer.v1.tar", architecture.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [shared, own],
        });
        let mut named = json(IMAGE, &manifest);
        named["platform"] = json!({ "os": "linux", "architecture": architecture });
        named
    };
    let images = [image("amd64"), image("arm64")];
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": images });
    let root = json(INDEX, &index);
    std::fs::write(folder.join("index.json"), json!({ "manifests": [root] }).to_string()).unwrap();
}

async fn fetched(
    folder: &TempDir,
    (contents, wanted): (&Contents, Wanted),
    source: RegistrySource,
) -> Result<ArtifactStore, ArtifactError> {
    let store = store(folder.path(), &format!("{wanted:?}"));
    // What the ledger names comes from nodes: a registry has no contents.
    store.begin(contents).unwrap();
    let sources = vec![Arc::new(source) as Arc<dyn Source>];
    obtain(&store, contents.digest(), sources, &ObtainOptions::new(wanted)).await?;
    Ok(store)
}

/// An image of two architectures, packed into a store and put into a registry.
struct Case {
    process: fixtures::Registry,
    registry: Registry,
    repo: Repository,
    mine: ArtifactStore,
    contents: Contents,
}

impl Case {
    async fn of(test: &str) -> Option<Self> {
        let process = fixtures::Registry::plain(test)?;
        let (registry, repo) = (open(&process.host), repository("apps/two"));
        let folder = process.folder.path();
        layout(&folder.join("layout"));
        let mine = store(folder, "mine");
        let contents = pack(&mine, &folder.join("layout")).unwrap();
        let case = Self { process, registry, repo, mine, contents };
        case.push().await;
        Some(case)
    }

    async fn push(&self) {
        let tag: Tag = "1.0".parse().unwrap();
        let artifact = (&self.mine, &self.contents);
        let pushed = self.registry.push(&self.repo, &tag, artifact, &|_, _| ()).await.unwrap();
        assert_eq!(pushed, self.contents.root());
    }
}

#[tokio::test]
async fn an_image_of_two_architectures_goes_there_and_back() {
    let test = "an_image_of_two_architectures_goes_there_and_back";
    let Some(case) = Case::of(test).await else { return };
    let Case { process, registry, repo, contents, .. } = &case;
    let folder = &process.folder;
    // What is there is not sent again.
    case.push().await;
    let pulled = folder.path().join("pulled");
    let by_tag = reference(registry, "apps/two:1.0");
    let resolved = registry.pull(&by_tag, &pulled, &|_, _| ()).await.unwrap();
    assert_eq!(resolved.digest, contents.root());
    let again = store(folder.path(), "again");
    assert_eq!(pack(&again, &pulled).unwrap(), *contents);
    assert_eq!(architectures(&again, contents).unwrap().len(), 2);

    let source = || RegistrySource::new(registry.clone(), repo.clone());
    let one = Wanted::Platform("aarch64".to_owned());
    let part = fetched(folder, (contents, one), source()).await.unwrap();
    assert!(Image::pick(&part, contents, "aarch64").is_ok() && !part.holds(&contents.digest()));
    let all = fetched(folder, (contents, Wanted::All), source()).await.unwrap();
    assert!(all.holds(&contents.digest()));
}

#[tokio::test]
async fn a_module_goes_there_as_an_artifact_and_comes_back_as_itself() {
    let test = "a_module_goes_there_as_an_artifact_and_comes_back_as_itself";
    let Some(process) = fixtures::Registry::plain(test) else { return };
    let (folder, registry, repo) = (&process.folder, open(&process.host), repository("apps/wasm"));
    let wasm = [MODULE, &bytes(1_500_000)].concat();
    std::fs::write(folder.path().join("m.wasm"), &wasm).unwrap();
    let mine = store(folder.path(), "mine");
    let contents = pack(&mine, &folder.path().join("m.wasm")).unwrap();
    let tag: Tag = "1".parse().unwrap();
    registry.push(&repo, &tag, (&mine, &contents), &|_, _| ()).await.unwrap();
    // A node gets the module itself; whoever pulls the name gets the artifact around it.
    let source = RegistrySource::new(registry.clone(), repo.clone());
    let theirs = fetched(folder, (&contents, Wanted::All), source).await.unwrap();
    assert_eq!(module(&theirs, &contents).unwrap(), wasm);
    let pulled = folder.path().join("pulled");
    registry.pull(&reference(&registry, "apps/wasm:1"), &pulled, &|_, _| ()).await.unwrap();
    let again = store(folder.path(), "again");
    let around = pack(&again, &pulled).unwrap();
    assert_eq!(module(&again, &around).unwrap(), wasm);
    assert!(architectures(&again, &around).unwrap().is_empty());
}

#[tokio::test]
async fn a_registry_whose_layer_has_changed_is_named() {
    let test = "a_registry_whose_layer_has_changed_is_named";
    let Some(Case { process, registry, repo, contents, .. }) = Case::of(test).await else { return };
    let (folder, contents) = (&process.folder, &contents);
    // On the registry's own disk.
    let large = contents.blobs().iter().max_by_key(|it| it.bytes).unwrap();
    let (hex, root) = (large.digest.to_string(), folder.path().join("images/docker/registry/v2"));
    let file = root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
    let mut data = std::fs::read(&file).unwrap();
    data[1_200_000] ^= 1;
    std::fs::write(&file, data).unwrap();

    let source = RegistrySource::new(registry.clone(), repo.clone());
    let error = fetched(folder, (contents, Wanted::All), source).await.unwrap_err().to_string();
    assert!(error.contains(&process.host) && error.contains("wrong chunk 1"), "{error}");
    let pulled = folder.path().join("pulled");
    let by_tag = reference(&registry, "apps/two:1.0");
    let error = registry.pull(&by_tag, &pulled, &|_, _| ()).await.unwrap_err().to_string();
    assert!(error.contains("sends other bytes as blob"), "{error}");
}
