//! An application comes onto the ledger.

use super::{
    super::{storage, values},
    manifest,
};
use crate::{machine::Draft, tables::Apps};
use trustmesh_types::{
    Domain, PublicKey, codec,
    events::Event,
    records::{AppRecord, AppState},
    reject::{RejectCode, Rejection},
    transaction::Deployment,
};

/// Puts an application on the ledger; nodes fetch it and run it.
///
/// # Errors
/// [`Rejection`] when the signer may not publish, the manifest is out of its bounds or not
/// signed by the publisher, too few validators hold the artifact, or the name is taken.
pub fn deploy(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    deployment: &Deployment,
) -> Result<(), Rejection> {
    values::publisher(draft, signer, "deploy applications")?;
    let manifest = &deployment.manifest;
    manifest::check(manifest)?;
    let before = draft.store.get::<Apps>(&manifest.id);
    if before.as_ref().is_some_and(|app| app.wanted != AppState::Removed) {
        let reason = format!(
            "application {} is deployed; remove it first, or deploy under another name",
            manifest.id
        );
        return Err(Rejection::new(RejectCode::AppExists, reason));
    }
    let signature = &deployment.publisher_signature;
    if signer.verify(Domain::Artifact, &draft.network, &codec::encode(manifest), signature).is_err()
    {
        let reason = format!(
            "the publisher's signature over the manifest of {} is not by {}",
            manifest.id,
            signer.short()
        );
        return Err(Rejection::new(RejectCode::BadSignature, reason));
    }
    let holders = storage::check_receipts(
        draft,
        manifest.contents,
        manifest.contents,
        manifest.artifact_bytes,
        &deployment.receipts,
    )?;
    let record = AppRecord {
        manifest: manifest.clone(),
        publisher: *signer,
        publisher_signature: *signature,
        holders,
        wanted: AppState::Running,
        generation: before.map_or(1, |app| app.generation.saturating_add(1)),
        changed: draft.height,
    };
    draft.store.put::<Apps>(&manifest.id, &record);
    draft.touched = true;
    draft.emit(Event::AppDeployed { app: manifest.id.clone() });
    Ok(())
}
