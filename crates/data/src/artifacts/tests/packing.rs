//! What publishers have: modules, layouts, archives.

use super::*;
use serde_json::json;
use std::io::Write as _;
use trustmesh_types::Digest;

fn archive(path: &Path, files: &[(&str, &[u8])], links: &[(&str, &str)]) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *data).unwrap();
    }
    for (name, to) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, name, to).unwrap();
    }
    tar.into_inner().unwrap().flush().unwrap();
}

fn config() -> Vec<u8> {
    json!({ "os": "linux", "architecture": "amd64" }).to_string().into_bytes()
}

#[test]
fn a_module_is_its_own_artifact() {
    let dir = folder();
    let (path, wasm) =
        (dir.path().join("m.wasm"), [b"\0asm\x01\0\0\0".as_slice(), &bytes(3 * CHUNK, 1)].concat());
    std::fs::write(&path, &wasm).unwrap();
    let store = open(&dir.path().join("store"));
    let packed = pack(&store, &path).unwrap();
    assert_eq!(packed, Contents::of_module(&wasm).unwrap());
    assert!(store.holds(&packed.digest()));
    assert_eq!(module(&store, &packed).unwrap(), wasm);
}

/// As Docker 20.10 saves: layers in folders of their own, equal ones as links.
#[test]
fn what_docker_saves_becomes_an_image_and_always_the_same() {
    let dir = folder();
    let (path, layer, config) = (dir.path().join("saved.tar"), bytes(CHUNK + 3, 2), config());
    let manifest = json!([{
        "Config": "c0ffee.json",
        "RepoTags": ["app:1"],
        "Layers": ["aa/layer.tar", "bb/layer.tar"],
    }])
    .to_string();
    let files: &[(&str, &[u8])] = &[
        ("aa/layer.tar", &layer),
        ("c0ffee.json", &config),
        ("manifest.json", manifest.as_bytes()),
    ];
    archive(&path, files, &[("bb/layer.tar", "../aa/layer.tar")]);
    let store = open(&dir.path().join("store"));
    let packed = pack(&store, &path).unwrap();
    assert!(store.holds(&packed.digest()));
    let image = Image::pick(&store, &packed, "x86_64").unwrap();
    assert_eq!(image.config, config);
    let layers: Vec<Digest> = image.layers.iter().map(|layer| layer.digest).collect();
    assert_eq!(layers, [Digest::of(&layer); 2]);
    let again = pack(&open(&dir.path().join("again")), &path).unwrap();
    assert_eq!(again, packed);
}

#[test]
fn a_layout_is_the_same_as_a_folder_and_as_an_archive() {
    let dir = folder();
    let (layer, config) = (bytes(500, 3), config());
    let descriptor = |blob: &[u8]| json!({ "digest": format!("sha256:{}", Digest::of(blob)), "size": blob.len() });
    let manifest = json!({ "config": descriptor(&config), "layers": [descriptor(&layer)] });
    let manifest = manifest.to_string().into_bytes();
    let index = json!({ "manifests": [descriptor(&manifest)] }).to_string();
    let name = |blob: &[u8]| format!("blobs/sha256/{}", Digest::of(blob));
    let names = [name(&layer), name(&config), name(&manifest)];
    let files: Vec<(&str, &[u8])> = vec![
        ("./index.json", index.as_bytes()),
        (&names[0], &layer),
        (&names[1], &config),
        (&names[2], &manifest),
    ];
    let tar = dir.path().join("layout.tar");
    archive(&tar, &files, &[]);
    let layout = dir.path().join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    for (name, data) in &files {
        std::fs::write(layout.join(name), data).unwrap();
    }
    let store = open(&dir.path().join("store"));
    let (one, two) = (pack(&store, &tar).unwrap(), pack(&store, &layout).unwrap());
    assert_eq!(one, two);
    assert_eq!(one.root(), Digest::of(&manifest));
    Image::pick(&store, &one, "x86_64").unwrap();
    // A blob under another's name.
    std::fs::write(layout.join(name(&layer)), b"other").unwrap();
    let error = pack(&store, &layout).unwrap_err().to_string();
    assert!(error.contains("has digest"), "{error}");
}

#[test]
fn what_can_not_be_packed_is_said() {
    let dir = folder();
    let store = open(&dir.path().join("store"));
    let path = dir.path().join("x");
    let two = json!([
        { "Config": "a", "RepoTags": ["one:1"], "Layers": [] },
        { "Config": "b", "RepoTags": ["two:1"], "Layers": [] },
    ])
    .to_string();
    let missing = json!([{ "Config": "a", "Layers": ["../../etc/passwd"] }]).to_string();
    let many =
        json!({ "manifests": [{ "digest": "sha256:1" }, { "digest": "sha256:2" }] }).to_string();
    for (files, part) in [
        (vec![("manifest.json", two.as_bytes())], "2 images (one:1, two:1)"),
        (
            vec![("manifest.json", missing.as_bytes()), ("a", b"{}".as_slice())],
            "has no ../../etc/passwd",
        ),
        (vec![("manifest.json", b"{".as_slice())], "does not parse"),
        (vec![("index.json", many.as_bytes())], "2 images (sha256:1, sha256:2)"),
        (vec![("readme", b"x".as_slice())], "no WebAssembly module"),
    ] {
        archive(&path, &files, &[]);
        let error = pack(&store, &path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::write(&path, b"MZ, a program of another kind").unwrap();
    assert!(pack(&store, &path).is_err());
    assert!(pack(&store, &dir.path().join("nowhere")).is_err());
    assert_eq!(store.list().len(), 0);
}

/// As newer Docker saves: the index of all platforms, and the blobs of one.
#[test]
fn an_archive_of_one_platform_is_that_platform() {
    let dir = folder();
    let (path, layer, config) = (dir.path().join("saved.tar"), bytes(500, 4), config());
    let descriptor = |blob: &[u8]| json!({ "digest": format!("sha256:{}", Digest::of(blob)), "size": blob.len() });
    let manifest = json!({ "config": descriptor(&config), "layers": [descriptor(&layer)] });
    let manifest = manifest.to_string().into_bytes();
    let of = |blob: &[u8], architecture: &str| {
        let mut named = descriptor(blob);
        named["platform"] = json!({ "os": "linux", "architecture": architecture });
        named
    };
    let platforms = json!({ "manifests": [of(b"elsewhere", "arm64"), of(&manifest, "amd64")] });
    let platforms = platforms.to_string().into_bytes();
    let index = json!({ "manifests": [descriptor(&platforms)] }).to_string();
    let name = |blob: &[u8]| format!("blobs/sha256/{}", Digest::of(blob));
    let names = [name(&layer), name(&config), name(&manifest), name(&platforms)];
    let mut files: Vec<(&str, &[u8])> = vec![
        ("index.json", index.as_bytes()),
        (&names[0], &layer),
        (&names[1], &config),
        (&names[2], &manifest),
        (&names[3], &platforms),
    ];
    archive(&path, &files, &[]);
    let store = open(&dir.path().join("store"));
    let packed = pack(&store, &path).unwrap();
    let there = architectures(&store, &packed).unwrap();
    assert_eq!(there.into_iter().collect::<Vec<_>>(), ["x86_64"]);
    assert_eq!(Image::pick(&store, &packed, "x86_64").unwrap().config, config);
    let error = Image::pick(&store, &packed, "aarch64").unwrap_err().to_string();
    assert!(error.contains("for x86_64, not for aarch64"), "{error}");
    files.remove(3);
    archive(&path, &files, &[]);
    let error = pack(&store, &path).unwrap_err().to_string();
    assert!(error.contains("none of the images"), "{error}");
}
