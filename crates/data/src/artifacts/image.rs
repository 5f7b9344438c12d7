//! What an OCI manifest or index names (OCI image specification 1.1; Docker's schema 2 says the
//! same in other media types), and modules as OCI artifacts (the CNCF's wasm layout).
//!
//! Invariants: every blob that an image names belongs to the artifact's contents, with the
//! length that is named; an image is for Linux and the architecture asked for.

use super::{error::ArtifactError, store::ArtifactStore};
use bytes::Bytes;
use serde::Deserialize;
use std::{collections::BTreeSet, path::PathBuf};
use trustmesh_types::{Contents, Digest, contents::BlobEntry, limits::MODULE_BYTES_MAX};

/// Largest manifest, index or configuration.
pub(super) const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most manifests of an index, and layers of an image.
const NAMED_MAX: usize = 256;
/// Media types of OCI's own manifests.
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// How a module begins.
pub(super) const WASM_MAGIC: &[u8] = b"\0asm";
/// A module as a layer of an OCI artifact.
pub(super) const WASM_LAYER: &str = "application/wasm";

/// An image for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of its configuration.
    pub config_digest: Digest,
    /// Its configuration, JSON.
    pub config: Bytes,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// What it is: a tar archive, compressed or not.
    pub media_type: String,
    /// Where it lies.
    pub path: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// A root that is no module.
enum Root {
    Manifest(Manifest),
    Index(Index),
}

impl Descriptor {
    fn digest(&self) -> Result<Digest, ArtifactError> {
        let hex = self.digest.strip_prefix("sha256:");
        hex.and_then(|hex| hex.parse().ok()).ok_or_else(|| {
            let shown: String = self.digest.chars().take(80).collect();
            ArtifactError::unusable("the image", format!("{shown:?} is no sha256 digest"))
        })
    }

    /// The blob of the contents that is named.
    fn entry<'a>(&self, contents: &'a Contents) -> Result<&'a BlobEntry, ArtifactError> {
        let digest = self.digest()?;
        match contents.blob(&digest) {
            Some(entry) if entry.bytes == self.size => Ok(entry),
            Some(entry) => {
                let why = format!("blob {digest} has {} bytes, {} named", entry.bytes, self.size);
                Err(ArtifactError::unusable("the image", why))
            }
            None => {
                let why = format!("it names blob {digest}, which its contents have not");
                Err(ArtifactError::unusable("the image", why))
            }
        }
    }

    /// Whether it belongs to the contents: an archive of one platform names the others, too.
    fn is_in(&self, contents: &Contents) -> bool {
        self.digest().is_ok_and(|digest| contents.blob(&digest).is_some())
    }

    fn arch(&self) -> Option<String> {
        let platform = self.platform.as_ref().filter(|it| it.os == "linux")?;
        Some(arch(&platform.architecture, &platform.variant))
    }
}

impl Index {
    fn architectures(&self, contents: &Contents) -> BTreeSet<String> {
        let there = self.manifests.iter().filter(|it| it.is_in(contents));
        there.filter_map(Descriptor::arch).collect()
    }
}

/// Our name of an OCI architecture, which are Go's.
fn arch(architecture: &str, variant: &str) -> String {
    match (architecture, variant) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "x86",
        ("arm", "v7" | "") => "arm",
        ("riscv64", _) => "riscv64",
        ("ppc64le", _) => "powerpc64",
        ("s390x", _) => "s390x",
        (other, "") => return other.to_owned(),
        (other, variant) => return format!("{other}/{variant}"),
    }
    .to_owned()
}

fn parse<T: for<'a> Deserialize<'a>>(what: &str, bytes: &[u8]) -> Result<T, ArtifactError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ArtifactError::unusable(what, format!("it does not parse: {error}")))
}

/// The root of an artifact that is no module.
fn root(bytes: &[u8]) -> Result<Root, ArtifactError> {
    #[derive(Deserialize)]
    struct Keys {
        manifests: Option<serde::de::IgnoredAny>,
    }
    let what = "the image's manifest";
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        let why = format!("it has more than {MANIFEST_BYTES_MAX} bytes");
        return Err(ArtifactError::unusable(what, why));
    }
    let keys: Keys = parse(what, bytes)?;
    if keys.manifests.is_some() {
        let index: Index = parse(what, bytes)?;
        bounded(index.manifests.len())?;
        return Ok(Root::Index(index));
    }
    let manifest: Manifest = parse(what, bytes)?;
    bounded(manifest.layers.len())?;
    Ok(Root::Manifest(manifest))
}

fn bounded(count: usize) -> Result<(), ArtifactError> {
    if count <= NAMED_MAX {
        return Ok(());
    }
    let why = format!("it names {count} blobs, at most {NAMED_MAX} are allowed");
    Err(ArtifactError::unusable("the image's manifest", why))
}

/// The manifest of an index for an architecture; the one for all its variants before those for
/// newer ones.
fn choose<'a>(
    index: &'a Index,
    contents: &'a Contents,
    wanted: &str,
) -> Result<&'a BlobEntry, ArtifactError> {
    let fits = |it: &&Descriptor| it.arch().as_deref() == Some(wanted) && it.is_in(contents);
    let variant = |it: &&Descriptor| it.platform.as_ref().map(|it| it.variant.clone());
    let chosen = index.manifests.iter().filter(fits).min_by_key(variant).ok_or_else(|| {
        let there: Vec<String> = index.architectures(contents).into_iter().collect();
        let why = format!("it is there for {}, not for {wanted}", there.join(", "));
        ArtifactError::unusable("the image", why)
    })?;
    chosen.entry(contents)
}

/// What runs on an architecture of an artifact, as far as what is here tells: its root, then
/// the manifest that it names, then what that names. A module is all of it.
pub(super) fn needed(
    store: &ArtifactStore,
    contents: &Contents,
    wanted: &str,
) -> Result<Vec<BlobEntry>, ArtifactError> {
    let of = |digest: &Digest| contents.blob(digest).cloned();
    let mut needed: Vec<BlobEntry> = of(&contents.root()).into_iter().collect();
    if contents.blobs().len() == 1 || !store.holds_blob(&contents.root()) {
        return Ok(needed);
    }
    let bytes = store.read_whole(&contents.root(), MANIFEST_BYTES_MAX)?;
    let manifest = match root(&bytes)? {
        Root::Manifest(manifest) => manifest,
        Root::Index(index) => {
            let chosen = choose(&index, contents, wanted)?;
            needed.push(chosen.clone());
            if !store.holds_blob(&chosen.digest) {
                return Ok(needed);
            }
            let bytes = store.read_whole(&chosen.digest, MANIFEST_BYTES_MAX)?;
            parse("the image's manifest", &bytes)?
        }
    };
    bounded(manifest.layers.len())?;
    for named in std::iter::once(&manifest.config).chain(&manifest.layers) {
        needed.push(named.entry(contents)?.clone());
    }
    Ok(needed)
}

/// Architectures that an artifact's image is there for; none when it is a module.
///
/// # Errors
/// [`ArtifactError`] when it is no image that can be run.
pub fn architectures(
    store: &ArtifactStore,
    contents: &Contents,
) -> Result<BTreeSet<String>, ArtifactError> {
    let bytes = store.read_whole(&contents.root(), MODULE_BYTES_MAX)?;
    if bytes.starts_with(WASM_MAGIC) {
        return Ok(BTreeSet::new());
    }
    let neither = |_| {
        let why = "it is neither a WebAssembly module nor an OCI manifest";
        ArtifactError::unusable("the artifact", why)
    };
    match root(&bytes).map_err(neither)? {
        Root::Index(index) => Ok(index.architectures(contents)),
        Root::Manifest(manifest) if is_module(&manifest) => Ok(BTreeSet::new()),
        Root::Manifest(manifest) => {
            let config = manifest.config.entry(contents)?.digest;
            let platform: Platform = parse(
                "the image's configuration",
                &store.read_whole(&config, MANIFEST_BYTES_MAX)?,
            )?;
            Ok(BTreeSet::from([arch(&platform.architecture, &platform.variant)]))
        }
    }
}

fn is_module(manifest: &Manifest) -> bool {
    manifest.layers.iter().any(|layer| layer.media_type == WASM_LAYER)
}

/// The module of an artifact: a raw one, or the layer of an OCI artifact.
///
/// # Errors
/// [`ArtifactError`] when it is none, or not here whole.
pub fn module(store: &ArtifactStore, contents: &Contents) -> Result<Bytes, ArtifactError> {
    let bytes = store.read_whole(&contents.root(), MODULE_BYTES_MAX)?;
    if bytes.starts_with(WASM_MAGIC) {
        return Ok(bytes);
    }
    let what = "the module";
    let Ok(Root::Manifest(manifest)) = root(&bytes) else {
        let why = "it is neither a WebAssembly module nor the OCI manifest of one";
        return Err(ArtifactError::unusable(what, why));
    };
    let mut layers = manifest.layers.iter().filter(|layer| layer.media_type == WASM_LAYER);
    match (layers.next(), layers.next()) {
        (Some(layer), None) => {
            let entry = layer.entry(contents)?;
            store.read_whole(&entry.digest, MODULE_BYTES_MAX)
        }
        _ => {
            let why = format!("the manifest names not one layer of media type {WASM_LAYER}");
            Err(ArtifactError::unusable(what, why))
        }
    }
}

impl Image {
    /// The image of an artifact for an architecture; every blob of it is read through and
    /// checked.
    ///
    /// # Errors
    /// [`ArtifactError`] when there is none, or it is not here whole and unchanged.
    pub fn pick(
        store: &ArtifactStore,
        contents: &Contents,
        wanted: &str,
    ) -> Result<Self, ArtifactError> {
        let bytes = store.read_whole(&contents.root(), MANIFEST_BYTES_MAX)?;
        let (digest, manifest) = match root(&bytes)? {
            Root::Manifest(manifest) => (contents.root(), manifest),
            Root::Index(index) => {
                let digest = choose(&index, contents, wanted)?.digest;
                let bytes = store.read_whole(&digest, MANIFEST_BYTES_MAX)?;
                (digest, parse("the image's manifest", &bytes)?)
            }
        };
        bounded(manifest.layers.len())?;
        let config_digest = manifest.config.entry(contents)?.digest;
        let config = store.read_whole(&config_digest, MANIFEST_BYTES_MAX)?;
        let platform: Platform = parse("the image's configuration", &config)?;
        let got = arch(&platform.architecture, &platform.variant);
        if platform.os != "linux" || got != wanted {
            let why = format!("it is for {} on {got}, not for linux on {wanted}", platform.os);
            return Err(ArtifactError::unusable("the image", why));
        }
        let layer = |named: &Descriptor| {
            let entry = named.entry(contents)?;
            store.check(&entry.digest)?;
            Ok(Layer {
                digest: entry.digest,
                bytes: entry.bytes,
                media_type: named.media_type.clone(),
                path: store.path(&entry.digest)?,
            })
        };
        let layers: Result<Vec<Layer>, ArtifactError> = manifest.layers.iter().map(layer).collect();
        Ok(Self { manifest: digest, config_digest, config, layers: layers? })
    }
}

/// A blob that a manifest or index names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
    /// Whether it is a manifest in turn.
    pub(super) is_manifest: bool,
}

/// What a manifest or index names, without repeats.
pub(super) fn named(bytes: &[u8]) -> Result<Vec<Named>, ArtifactError> {
    let (descriptors, is_manifest) = match root(bytes)? {
        Root::Index(index) => (index.manifests, true),
        Root::Manifest(manifest) => {
            (std::iter::once(manifest.config).chain(manifest.layers).collect(), false)
        }
    };
    let mut named: Vec<Named> = Vec::new();
    for it in descriptors {
        let (digest, bytes) = (it.digest()?, it.size);
        if !named.iter().any(|known| known.digest == digest) {
            named.push(Named { digest, bytes, is_manifest });
        }
    }
    Ok(named)
}

/// The media type of a manifest or index, which need not name its own (OCI image specification,
/// "mediaType").
pub(super) fn media_type(bytes: &[u8]) -> Result<String, ArtifactError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        media_type: Option<String>,
    }
    let own: Own = parse("the image's manifest", bytes)?;
    let default = match root(bytes)? {
        Root::Index(_) => OCI_INDEX,
        Root::Manifest(_) => OCI_MANIFEST,
    };
    Ok(own.media_type.unwrap_or_else(|| default.to_owned()))
}
