//! Registries as publishers use them: an image taken from one, and an artifact put into one.

use super::source::Source;
use crate::{
    commands::parse,
    context::Context,
    failure::{Done, Failure},
    output::Progress,
};
use std::path::Path;
use trustmesh_data::artifacts::{
    cosign,
    oci::{OciError, Reference, Registry, Repository, Tag},
};
use trustmesh_types::Digest;

/// The image that an application's file means, if what it names is no file.
pub(super) fn reference(path: &Path, artifact: &str) -> Done<Option<Reference>> {
    if artifact.is_empty() || path.exists() {
        return Ok(None);
    }
    match artifact.parse() {
        Ok(reference) => Ok(Some(reference)),
        // Without a host it was to be a file, which is said where it is read.
        Err(_) if !artifact.contains([':', '@']) => Ok(None),
        Err(error) => {
            let message = format!("artifact: there is no file {}, and {error}", path.display());
            Err(Failure::usage(message))
        }
    }
}

/// Where an artifact is to be put: a repository, and a tag there, by default the version.
pub(super) fn target(text: &str, version: &str) -> Done<(Reference, Tag)> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("registry: {error}"));
    let to: Reference = text.parse().map_err(|error| wrong(&error))?;
    if to.digest().is_some() {
        return Err(wrong(&"a digest can't be chosen: name a tag, or nothing"));
    }
    let tag = match to.tag() {
        Some(tag) => tag.clone(),
        None => version.parse().map_err(|error: OciError| {
            wrong(&error).advise(format!("write {text}:TAG, as the version is no tag"))
        })?,
    };
    Ok((to, tag))
}

/// A repository as the ledger names it.
pub(super) fn name(reference: &Reference) -> String {
    format!("{}/{}", reference.host(), reference.repository())
}

/// Fetches an image into a folder; if it must be signed, its signature is looked at first.
pub(super) async fn pull(
    context: &Context,
    reference: &Reference,
    folder: &Path,
    key: Option<&Path>,
) -> Done {
    let registry = context.registry(reference)?;
    let digest = registry.resolve(reference).await.map_err(failed)?.digest;
    if let Some(key) = key {
        let key = String::from_utf8(parse::read(key)?)
            .map_err(|_| Failure::usage(format!("{} is no PEM", key.display())))?;
        signed(&registry, reference.repository(), digest, &key).await?;
    }
    let progress = Progress::bar(0, "fetching");
    let told = |done, of| progress.of(done, of);
    registry.pull(&reference.at(digest), folder, &told).await.map_err(failed)?;
    Ok(())
}

async fn signed(registry: &Registry, repository: &Repository, image: Digest, key: &str) -> Done {
    let found = registry.cosign_signatures(repository, image).await.map_err(failed)?;
    let refused = |why: &dyn std::fmt::Display| Failure::failed(format!("{repository}: {why}"));
    if found.is_empty() {
        let why = format!("image sha256:{image} has no signatures beside it");
        return Err(refused(&why).advise("sign it: cosign sign --key cosign.key IMAGE@DIGEST"));
    }
    cosign::verify(&image, key, &found).map_err(|error| refused(&error))
}

/// Puts an artifact where its file wants it, beside the nodes.
pub(super) async fn push(context: &Context, source: &Source) -> Done {
    let Some((to, tag)) = &source.push else { return Ok(()) };
    let registry = context.registry(to)?;
    let progress = Progress::bar(source.contents.bytes(), "putting it into the registry");
    let told = |done, of| progress.of(done, of);
    let artifact = (&source.store, &source.contents);
    registry.push(to.repository(), tag, artifact, &told).await.map_err(failed)?;
    Ok(())
}

fn failed(error: OciError) -> Failure {
    Failure::failed(error.to_string())
        .advise("as whom a registry is used is said by [[registries]] in trustmesh.toml")
}
