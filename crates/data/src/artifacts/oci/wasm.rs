//! WebAssembly modules as OCI artifacts (CNCF TAG Runtime, "Wasm OCI Artifact layout"): a
//! configuration and one layer.
//!
//! Invariant: the same module gives the same manifest, so its `created` is the epoch.

use super::{
    error::OciError,
    push::Upload,
    reference::{Repository, Tag},
    registry::Registry,
};
use crate::artifacts::image::{OCI_MANIFEST, WASM_LAYER};
use bytes::Bytes;
use serde::Serialize;
use trustmesh_types::{Digest, limits::MODULE_BYTES_MAX};

const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// How a module begins, as a component does not (WebAssembly core specification, section 5.5.16).
const MODULE_HEAD: &[u8] = b"\0asm\x01\0\0\0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
}

impl Descriptor {
    fn of(media_type: &'static str, digest: Digest, size: usize) -> Self {
        Self { media_type, digest: format!("sha256:{digest}"), size: size as u64 }
    }
}

impl Registry {
    /// Puts a module there as an OCI artifact, what of it isn't there; gives the manifest's
    /// digest.
    ///
    /// # Errors
    /// [`OciError::Unfit`] when it is no module; else what the registry says.
    pub async fn push_module(
        &self,
        repository: &Repository,
        tag: &Tag,
        module: Bytes,
    ) -> Result<Digest, OciError> {
        let unfit = |why: String| OciError::Unfit { what: "the module".to_owned(), why };
        if !module.starts_with(MODULE_HEAD) {
            return Err(unfit("it is no WebAssembly module (components are none)".to_owned()));
        }
        if module.len() as u64 > MODULE_BYTES_MAX {
            return Err(unfit(format!("it is larger than {MODULE_BYTES_MAX} bytes")));
        }
        let layer = Digest::of(&module);
        let config = Config {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip1",
            layer_digests: [format!("sha256:{layer}")],
        };
        let config = serde_json::to_vec(&config).map_err(|error| unfit(error.to_string()))?;
        let config_digest = Digest::of(&config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            config: Descriptor::of(WASM_CONFIG, config_digest, config.len()),
            layers: [Descriptor::of(WASM_LAYER, layer, module.len())],
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|error| unfit(error.to_string()))?;
        self.push_blob(repository, layer, Upload::Bytes(module)).await?;
        self.push_blob(repository, config_digest, Upload::Bytes(config.into())).await?;
        self.push_manifest(repository, OCI_MANIFEST, manifest.into(), Some(tag)).await
    }
}
