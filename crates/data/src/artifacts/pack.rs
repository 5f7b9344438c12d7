//! What publishers have, as an artifact: a module, an OCI layout as a folder or a tar archive,
//! or the archive that `docker save` writes.
//!
//! Invariants: entries of an archive are found by name within it and never written to a path of
//! their own; the same archive gives the same contents. An archive with several images is
//! refused with their names.

use super::{
    error::ArtifactError,
    image::{self, MANIFEST_BYTES_MAX, OCI_MANIFEST, WASM_MAGIC},
    store::ArtifactStore,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};
use trustmesh_types::{
    Contents, Digest,
    contents::{BlobEntry, BlobHasher, CHUNK_BYTES},
    limits::{ARTIFACT_BLOBS_MAX, MODULE_BYTES_MAX},
};

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// What is said of a file that is none of these.
const NOTHING: &str = "it is no WebAssembly module, OCI layout or `docker save` archive";
/// Most entries of an archive.
const ENTRIES_MAX: usize = 16_384;

/// Where the bytes of a blob are: a part of a file, or memory.
#[derive(Debug, Clone)]
enum Place {
    Part { path: PathBuf, at: u64, bytes: u64 },
    Memory(Vec<u8>),
}

/// A folder or an archive, as files by name.
#[derive(Debug, Default)]
struct Files(BTreeMap<String, Place>);

/// Puts what lies at a path into a store; gives what belongs to it.
///
/// # Errors
/// [`ArtifactError`] when it is nothing that can be run, or has no room.
pub fn pack(store: &ArtifactStore, path: &Path) -> Result<Contents, ArtifactError> {
    let shown = path.display().to_string();
    let io = |error: std::io::Error| ArtifactError::io("read", path, &error);
    let meta = std::fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        return layout(store, &Files::of_folder(path)?, &shown);
    }
    let mut head = [0; 4];
    let mut file = File::open(path).map_err(io)?;
    let read = file.read(&mut head).map_err(io)?;
    if head.get(..read).is_some_and(|head| head == WASM_MAGIC) {
        return module(store, path, meta.len());
    }
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let files = Files::of_archive(path, file)?;
    if files.0.contains_key("oci-layout") || files.0.contains_key("index.json") {
        return layout(store, &files, &shown);
    }
    if files.0.contains_key("manifest.json") {
        return saved(store, &files, &shown);
    }
    Err(ArtifactError::unusable(shown, NOTHING))
}

fn module(store: &ArtifactStore, path: &Path, bytes: u64) -> Result<Contents, ArtifactError> {
    if bytes > MODULE_BYTES_MAX {
        let why = format!("it has {bytes} bytes, a module at most {MODULE_BYTES_MAX}");
        return Err(ArtifactError::unusable(path.display().to_string(), why));
    }
    let place = Place::Part { path: path.to_owned(), at: 0, bytes };
    let entry = place.entry()?;
    let contents = Contents::new(entry.digest, vec![entry.clone()])?;
    keep(store, &contents, &BTreeMap::from([(entry.digest, place)]))?;
    Ok(contents)
}

/// Puts blobs into the store.
fn keep(
    store: &ArtifactStore,
    contents: &Contents,
    places: &BTreeMap<Digest, Place>,
) -> Result<(), ArtifactError> {
    store.begin(contents)?;
    for entry in contents.blobs() {
        let Some(place) = places.get(&entry.digest) else { continue };
        for index in store.missing(&entry.digest) {
            let Some((range, _)) = entry.chunk(index) else { break };
            let bytes = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
            store.put_chunk(entry, index, &place.read(range.start, bytes)?)?;
        }
    }
    Ok(())
}

impl Place {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Part { bytes, .. } => *bytes,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, ArtifactError> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let end = from.saturating_add(length);
                Ok(bytes.get(from..end).unwrap_or_default().to_vec())
            }
            Self::Part { path, at, .. } => {
                let mut bytes = vec![0; length];
                let read = File::open(path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(at.saturating_add(from)))?;
                    file.read_exact(&mut bytes)
                });
                read.map_err(|error| ArtifactError::io("read", path, &error))?;
                Ok(bytes)
            }
        }
    }

    fn entry(&self) -> Result<BlobEntry, ArtifactError> {
        let mut hasher = BlobHasher::default();
        let mut at = 0;
        while at < self.bytes() {
            let length = CHUNK_BYTES.min(self.bytes().saturating_sub(at));
            hasher.update(&self.read(at, usize::try_from(length).unwrap_or(0))?);
            at = at.saturating_add(length);
        }
        Ok(hasher.finish())
    }
}

impl Files {
    fn of_folder(folder: &Path) -> Result<Self, ArtifactError> {
        let mut files = Self::default();
        for part in ["", "blobs/sha256"] {
            let dir = folder.join(part);
            let io = |error: std::io::Error| ArtifactError::io("list", &dir, &error);
            let Ok(listed) = std::fs::read_dir(&dir) else { continue };
            for entry in listed {
                let path = entry.map_err(io)?.path();
                let meta = std::fs::metadata(&path).map_err(io)?;
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                if meta.is_file() {
                    let name = Path::new(part).join(name).display().to_string();
                    files.add(name, Place::Part { path, at: 0, bytes: meta.len() })?;
                }
            }
        }
        Ok(files)
    }

    fn of_archive(path: &Path, file: File) -> Result<Self, ArtifactError> {
        let bad = |error: std::io::Error| {
            ArtifactError::unusable(path.display().to_string(), format!("{NOTHING} ({error})"))
        };
        let mut files = Self::default();
        let mut links = Vec::new();
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries().map_err(bad)? {
            let entry = entry.map_err(bad)?;
            let name = entry.path().map_err(bad)?.display().to_string();
            let name = name.trim_start_matches("./").to_owned();
            if let Some(to) = entry.link_name().map_err(bad)? {
                links.push((name, to.display().to_string()));
            } else if entry.header().entry_type().is_file() {
                let (at, bytes) = (entry.raw_file_position(), entry.size());
                files.add(name, Place::Part { path: path.to_owned(), at, bytes })?;
            }
        }
        // `docker save` writes equal layers once, and links to them.
        for (name, to) in links {
            let beside = Path::new(&name).parent().unwrap_or(Path::new("")).join(&to);
            if let Some(place) = files.0.get(&plain(&beside)).cloned() {
                files.add(name, place)?;
            }
        }
        Ok(files)
    }

    fn add(&mut self, name: String, place: Place) -> Result<(), ArtifactError> {
        if self.0.len() >= ENTRIES_MAX {
            let why = format!("it has more than {ENTRIES_MAX} entries");
            return Err(ArtifactError::unusable("the archive", why));
        }
        self.0.insert(name, place);
        Ok(())
    }

    fn place(&self, name: &str) -> Result<&Place, ArtifactError> {
        let missing = || ArtifactError::unusable("the archive", format!("it has no {name}"));
        self.0.get(name.trim_start_matches("./")).ok_or_else(missing)
    }

    fn json(&self, name: &str) -> Result<Vec<u8>, ArtifactError> {
        let place = self.place(name)?;
        if place.bytes() > MANIFEST_BYTES_MAX {
            let why = format!("{name} has more than {MANIFEST_BYTES_MAX} bytes");
            return Err(ArtifactError::unusable("the archive", why));
        }
        place.read(0, usize::try_from(place.bytes()).unwrap_or(0))
    }
}

/// A path without `.` and `..`, which can't lead out of the archive.
fn plain(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct LayoutIndex {
    manifests: Vec<Named>,
}

fn unreadable(what: &str, error: &serde_json::Error) -> ArtifactError {
    ArtifactError::unusable(what, format!("it does not parse: {error}"))
}

/// An OCI layout (OCI image specification, "Image Layout").
fn layout(store: &ArtifactStore, files: &Files, shown: &str) -> Result<Contents, ArtifactError> {
    let index: LayoutIndex = serde_json::from_slice(&files.json("index.json")?)
        .map_err(|error| unreadable("index.json", &error))?;
    let [root] = index.manifests.as_slice() else {
        let title = "org.opencontainers.image.ref.name";
        let names: Vec<&str> = index
            .manifests
            .iter()
            .map(|it| it.annotations.get(title).map_or(it.digest.as_str(), String::as_str))
            .collect();
        let why =
            format!("it has {} images ({}); give an archive of one", names.len(), names.join(", "));
        return Err(ArtifactError::unusable(shown, why));
    };
    let mut places = BTreeMap::new();
    let mut entries = Vec::new();
    let of = root.digest.strip_prefix("sha256:").and_then(|hex| hex.parse::<Digest>().ok());
    let root = of.ok_or_else(|| ArtifactError::unusable(shown, "no sha256 digest"))?;
    let mut open = vec![(root, true)];
    while let Some((digest, is_manifest)) = open.pop() {
        let name = format!("blobs/sha256/{digest}");
        let place = files.place(&name)?.clone();
        let entry = place.entry()?;
        if entry.digest != digest {
            let why = format!("{name} has digest sha256:{}", entry.digest);
            return Err(ArtifactError::unusable(shown, why));
        }
        if places.insert(entry.digest, place).is_some() {
            continue;
        }
        if places.len() > ARTIFACT_BLOBS_MAX {
            let why = format!("it names more than {ARTIFACT_BLOBS_MAX} blobs");
            return Err(ArtifactError::unusable(shown, why));
        }
        if is_manifest {
            let named = image::named(&files.json(&name)?)?;
            // `docker save` writes the index of all platforms, and the blobs of one.
            let left_out = |it: &image::Named| {
                it.is_manifest && files.place(&format!("blobs/sha256/{}", it.digest)).is_err()
            };
            if !named.is_empty() && named.iter().all(left_out) {
                let why = "it has none of the images that its index names";
                return Err(ArtifactError::unusable(shown, why));
            }
            let there = named.into_iter().filter(|it| !left_out(it));
            open.extend(there.map(|it| (it.digest, it.is_manifest)));
        }
        entries.push(entry);
    }
    let contents = Contents::new(root, entries)?;
    keep(store, &contents, &places)?;
    Ok(contents)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// What `docker save` writes: a manifest of its own kind, which becomes an OCI one.
fn saved(store: &ArtifactStore, files: &Files, shown: &str) -> Result<Contents, ArtifactError> {
    let images: Vec<Saved> = serde_json::from_slice(&files.json("manifest.json")?)
        .map_err(|error| unreadable("manifest.json", &error))?;
    let [image] = images.as_slice() else {
        let tags = images.iter().flat_map(|it| it.repo_tags.iter().flatten());
        let tags: Vec<&str> = tags.map(String::as_str).collect();
        let why = format!("it has {} images ({}); save one", images.len(), tags.join(", "));
        return Err(ArtifactError::unusable(shown, why));
    };
    let mut places = BTreeMap::new();
    let mut entries = Vec::new();
    let mut named = |place: &Place, media_type: &str| {
        let entry = place.entry()?;
        let descriptor = serde_json::json!({
            "mediaType": media_type,
            "digest": format!("sha256:{}", entry.digest),
            "size": entry.bytes,
        });
        places.insert(entry.digest, place.clone());
        entries.push(entry);
        Ok::<_, ArtifactError>(descriptor)
    };
    let config = named(files.place(&image.config)?, OCI_CONFIG)?;
    let mut layers = Vec::new();
    for layer in &image.layers {
        layers.push(named(files.place(layer)?, OCI_LAYER)?);
    }
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": layers,
    });
    let manifest = Place::Memory(manifest.to_string().into_bytes());
    let root = manifest.entry()?;
    places.insert(root.digest, manifest);
    entries.push(root.clone());
    let contents = Contents::new(root.digest, entries)?;
    keep(store, &contents, &places)?;
    Ok(contents)
}
