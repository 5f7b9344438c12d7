//! Whole artifacts: an image or module fetched as an OCI layout, and an artifact of a store put
//! into a registry.
//!
//! Invariants: what lies in the layout has the digest that names it; there are no more blobs and
//! bytes than an artifact may have; a manifest is put there after all that it names.

use super::{
    error::OciError,
    manifests::Resolved,
    push::{Pushed, Upload},
    reference::{Reference, Repository, Tag},
    registry::Registry,
};
use crate::artifacts::{
    error::ArtifactError,
    image::{self, MANIFEST_BYTES_MAX, Named, WASM_MAGIC},
    store::ArtifactStore,
};
use futures::TryStreamExt as _;
use serde_json::json;
use std::path::Path;
use tokio::{fs::File, io::AsyncWriteExt as _};
use trustmesh_types::{
    Contents, Digest,
    limits::{ARTIFACT_BLOBS_MAX, ARTIFACT_BYTES_MAX},
};

/// Told how many bytes are done, of how many that are known.
pub type Told<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Registry {
    /// Fetches all that a reference means now into a folder, as an OCI layout (OCI image
    /// specification, "Image Layout"), which [`crate::artifacts::pack()`] reads.
    ///
    /// # Errors
    /// [`OciError`] when it is no image or module, is too large, or does not come whole.
    pub async fn pull(
        &self,
        reference: &Reference,
        folder: &Path,
        told: Told<'_>,
    ) -> Result<Resolved, OciError> {
        let root = self.resolve(reference).await?;
        let repository = reference.repository();
        let blobs = folder.join("blobs/sha256");
        let made = tokio::fs::create_dir_all(&blobs).await;
        made.map_err(|error| unwritable(&blobs, &error))?;
        write(&blobs.join(root.digest.to_string()), &root.bytes).await?;
        let mut known = vec![root.digest];
        let mut open = self.named_by(&root.bytes)?;
        let (mut done, mut sum) = (root.bytes.len() as u64, root.bytes.len() as u64);
        sum = self.bounded(&open, sum)?;
        while let Some(named) = open.pop() {
            if known.contains(&named.digest) {
                continue;
            }
            known.push(named.digest);
            if known.len() > ARTIFACT_BLOBS_MAX {
                let why = format!("it names more than {ARTIFACT_BLOBS_MAX} blobs");
                return Err(self.malformed("the image", why));
            }
            let path = blobs.join(named.digest.to_string());
            if named.is_manifest {
                let bytes = self.manifest(repository, named.digest).await?;
                write(&path, &bytes).await?;
                let more = self.named_by(&bytes)?;
                sum = self.bounded(&more, sum)?;
                open.extend(more);
            } else {
                self.save(repository, &named, &path).await?;
            }
            done = done.saturating_add(named.bytes);
            told(done, sum);
        }
        let descriptor = json!({
            "mediaType": root.media_type,
            "digest": format!("sha256:{}", root.digest),
            "size": root.bytes.len(),
        });
        let index = json!({ "schemaVersion": 2, "manifests": [descriptor] }).to_string();
        write(&folder.join("index.json"), index.as_bytes()).await?;
        write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).await?;
        Ok(root)
    }

    fn named_by(&self, manifest: &[u8]) -> Result<Vec<Named>, OciError> {
        image::named(manifest).map_err(|error| self.malformed("an image", error.to_string()))
    }

    fn bounded(&self, named: &[Named], sum: u64) -> Result<u64, OciError> {
        let sum = named.iter().fold(sum, |sum, it| sum.saturating_add(it.bytes));
        if sum <= ARTIFACT_BYTES_MAX {
            return Ok(sum);
        }
        let (registry, what) = (self.host(), "an artifact".to_owned());
        Err(OciError::TooLarge { registry, what, bytes_max: ARTIFACT_BYTES_MAX })
    }

    async fn save(
        &self,
        repository: &Repository,
        named: &Named,
        path: &Path,
    ) -> Result<(), OciError> {
        let failed = |error: std::io::Error| unwritable(path, &error);
        let mut pieces = self.whole_blob(repository, named.digest, named.bytes).await?;
        let mut file = File::create(path).await.map_err(failed)?;
        while let Some(piece) = pieces.try_next().await? {
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)
    }

    /// Puts an artifact that a store holds whole into a repository, what of it isn't there; a
    /// bare module as an OCI artifact. Gives the digest of what was put there last, the root.
    ///
    /// # Errors
    /// [`OciError`]; [`OciError::Unfit`] when the store does not have it.
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &Tag,
        (store, contents): (&ArtifactStore, &Contents),
        told: Told<'_>,
    ) -> Result<Digest, OciError> {
        let unfit = |error: ArtifactError| OciError::Unfit {
            what: format!("artifact {}", contents.root()),
            why: error.to_string(),
        };
        let is_module = |root: &[u8]| root.starts_with(WASM_MAGIC);
        let bytes_max = contents.bytes();
        if contents.blobs().len() == 1 {
            let module = store.read_whole(&contents.root(), bytes_max).map_err(unfit)?;
            if is_module(&module) {
                let pushed = self.push_module(repository, tag, module).await?;
                told(bytes_max, bytes_max);
                return Ok(pushed);
            }
        }
        let root = store.read_whole(&contents.root(), MANIFEST_BYTES_MAX).map_err(unfit)?;
        let of_root = image::named(&root).map_err(unfit)?;
        let is_here = |it: &&Named| it.is_manifest && contents.blob(&it.digest).is_some();
        let manifests: Vec<Digest> = of_root.iter().filter(is_here).map(|it| it.digest).collect();
        let mut done = 0_u64;
        for entry in contents.blobs() {
            if entry.digest == contents.root() || manifests.contains(&entry.digest) {
                continue;
            }
            let path = store.path(&entry.digest).map_err(unfit)?;
            let _: Pushed = self.push_blob(repository, entry.digest, Upload::File(&path)).await?;
            done = done.saturating_add(entry.bytes);
            told(done, bytes_max);
        }
        for digest in manifests {
            let bytes = store.read_whole(&digest, MANIFEST_BYTES_MAX).map_err(unfit)?;
            let kind = image::media_type(&bytes).map_err(unfit)?;
            self.push_manifest(repository, &kind, bytes, None).await?;
        }
        let kind = image::media_type(&root).map_err(unfit)?;
        let pushed = self.push_manifest(repository, &kind, root, Some(tag)).await?;
        told(bytes_max, bytes_max);
        Ok(pushed)
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> OciError {
    OciError::File { path: path.to_owned(), why: format!("can't write it: {error}") }
}

async fn write(path: &Path, bytes: &[u8]) -> Result<(), OciError> {
    tokio::fs::write(path, bytes).await.map_err(|error| unwritable(path, &error))
}
