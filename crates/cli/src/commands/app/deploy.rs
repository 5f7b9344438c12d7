//! `app validate` and `app deploy`.

use super::{DeployArgs, SourceArgs, changes, registry, source::Source, wait};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table, units},
};
use std::{collections::BTreeSet, ops::Range, path::Path};
use trustmesh_client::{Included, Operator, Upload};
use trustmesh_types::{
    AppId, Contents,
    contents::BlobEntry,
    records::{AppManifest, AppState},
    request::StorageReceipt,
};

/// Checks what would be deployed.
pub(super) async fn validate(context: &Context, args: &SourceArgs) -> Done {
    let source = Source::read(context, args).await?;
    context.printer.answer(&source.manifest, |it| {
        Table::pairs([
            ("name", it.id.to_string()),
            ("version", it.version.clone()),
            ("runtime", it.runtime.to_string()),
            ("architectures", list(&it.architectures, "any")),
            ("reserves", it.requirements.to_string()),
            ("deterministic", it.deterministic.to_string()),
            ("grants", grants(it)),
            ("artifact", it.artifact.to_string()),
            ("size", units::bytes(it.artifact_bytes)),
        ])
    })
}

/// A list for people.
pub(super) fn list(items: &BTreeSet<String>, none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What an application is granted, for people.
pub(super) fn grants(manifest: &AppManifest) -> String {
    let it = &manifest.grants;
    let mut granted: Vec<String> = Vec::new();
    granted.extend(it.clock.then(|| "clock".to_owned()));
    granted.extend(it.random.then(|| "random".to_owned()));
    granted.extend(it.network.iter().map(|host| format!("network {host}")));
    granted.extend(it.environment.keys().map(|name| format!("environment {name}")));
    if granted.is_empty() { "nothing".to_owned() } else { granted.join(", ") }
}

/// Uploads an artifact, puts the application on the ledger, and waits for the nodes.
pub(super) async fn deploy(context: &Context, args: &DeployArgs) -> Done {
    let source = Source::read(context, &args.source).await?;
    let operator = context.operator()?;
    let included = put(context, &operator, &source).await?;
    let (id, bytes) = (&source.manifest.id, source.contents.bytes());
    let begun = wait(&operator, id, args.no_wait).await;
    let done = format!("application {id} is deployed: {}", units::bytes(bytes));
    changes::answer(context, done, &included)?;
    begun
}

/// Puts what a file describes on the nodes and the ledger, without waiting for the nodes.
pub async fn deploy_file(context: &Context, operator: &Operator, file: &Path) -> Done<AppId> {
    let source = Source::read(context, &SourceArgs::of(file)).await?;
    put(context, operator, &source).await?;
    Ok(source.manifest.id)
}

/// Has f+1 validators hold the artifact of what a file describes; nothing is deployed.
pub async fn upload_file(context: &Context, operator: &Operator, file: &Path) -> Done<Contents> {
    let source = Source::read(context, &SourceArgs::of(file)).await?;
    upload(operator, &source).await?;
    Ok(source.contents)
}

async fn put(context: &Context, operator: &Operator, source: &Source) -> Done<Included> {
    free(operator, &source.manifest.id).await?;
    registry::push(context, source).await?;
    let receipts = upload(operator, source).await?;
    Ok(operator.deploy(source.manifest.clone(), receipts).await?)
}

/// Refuses a name that is taken before anything is sent, as the ledger would afterwards.
async fn free(operator: &Operator, id: &AppId) -> Done {
    match operator.client().app(id).await {
        Ok(app) if app.record.wanted != AppState::Removed => {
            let failure = Failure::failed(format!("application {id} is deployed"));
            Err(failure.advise("remove it first, or deploy under another name"))
        }
        Err(error) if !error.is_unknown() => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn upload(operator: &Operator, source: &Source) -> Done<Vec<StorageReceipt>> {
    let Source { manifest, contents, store, .. } = source;
    let progress = Progress::bar(contents.bytes(), "uploading");
    let read = |entry: &BlobEntry, range: Range<u64>| {
        store.read(&entry.digest, range).map(|it| it.to_vec()).map_err(|e| e.to_string())
    };
    let upload = Upload {
        contents,
        registry: manifest.registry.as_deref(),
        read: &read,
        progress: &|taken, of| progress.of(taken, of),
    };
    let uploaded = operator.upload(&upload).await;
    uploaded.map_err(|e| Failure::from(e).at(manifest.id.as_str()))
}
