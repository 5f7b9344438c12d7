//! The applications contract: what may run, by whose word (PROTOCOL §3).
//!
//! An application on the ledger has its publisher's signature over all that decides how it
//! runs, and f+1 validators hold its artifact. Its content changes only after it was
//! removed.

use super::{storage, values};
use crate::{machine::Draft, tables::Apps};
use trustmesh_types::{
    AppId, Domain, PublicKey, codec,
    events::Event,
    limits,
    records::{AppManifest, AppRecord, AppState},
    reject::{RejectCode, Rejection},
    transaction::Deployment,
};

/// Puts an application on the ledger, ready to run.
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
    check_manifest(manifest)?;
    let taken = draft.store.get::<Apps>(&manifest.id);
    if taken.is_some_and(|app| app.wanted != AppState::Removed) {
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
        manifest.artifact,
        manifest.artifact,
        manifest.artifact_bytes,
        &deployment.receipts,
    )?;
    let record = AppRecord {
        manifest: manifest.clone(),
        publisher: *signer,
        publisher_signature: *signature,
        holders,
        wanted: AppState::Running,
        changed: draft.height,
    };
    draft.store.put::<Apps>(&manifest.id, &record);
    draft.touched = true;
    draft.emit(Event::AppDeployed { app: manifest.id.clone() });
    Ok(())
}

fn check_manifest(manifest: &AppManifest) -> Result<(), Rejection> {
    values::text("the application's version", &manifest.version, limits::TEXT_BYTES_MAX)?;
    if !(1..=limits::MODULE_BYTES_MAX).contains(&manifest.artifact_bytes) {
        let reason = format!(
            "the artifact has {} bytes, 1 to {} are allowed",
            manifest.artifact_bytes,
            limits::MODULE_BYTES_MAX
        );
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    if manifest.requirements.cpu_millis == 0 || manifest.requirements.memory_bytes == 0 {
        let reason = "the application's requirements need cpu_millis and memory_bytes above zero";
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    Ok(())
}

/// Starts, stops or removes an application.
///
/// # Errors
/// [`Rejection`] when the signer may not publish, the application is unknown, or its state
/// does not lead to the one wanted.
pub fn set_state(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    id: &AppId,
    wanted: AppState,
) -> Result<(), Rejection> {
    values::publisher(draft, signer, "start, stop and remove applications")?;
    let Some(mut app) = draft.store.get::<Apps>(id) else {
        let reason = format!("there is no application {id}; see `trustmesh app list`");
        return Err(Rejection::new(RejectCode::UnknownApp, reason));
    };
    let why = match (app.wanted, wanted) {
        (AppState::Removed, _) => Some("is removed; deploy it again"),
        (_, AppState::Deployed) => Some("can be set running, stopped or removed only"),
        (AppState::Running, AppState::Running) => Some("is running already"),
        (AppState::Stopped, AppState::Stopped) => Some("is stopped already"),
        _ => None,
    };
    if let Some(why) = why {
        let reason = format!("application {id} {why}");
        return Err(Rejection::new(RejectCode::AppState, reason));
    }
    app.wanted = wanted;
    app.changed = draft.height;
    draft.store.put::<Apps>(id, &app);
    draft.touched = true;
    draft.emit(Event::AppStateChanged { app: id.clone(), wanted });
    Ok(())
}
