//! Images from files: streamed to the engine as the archive that `docker load` reads, and looked
//! at afterwards. Layers go as they are, and never through memory whole.

use super::{config::ImageFiles, engine::Engine, error::ContainerError};
use crate::text::shorten;
use bollard::{
    Docker, body_try_stream,
    query_parameters::{ImportImageOptionsBuilder, ListImagesOptions, RemoveImageOptionsBuilder},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use serde_json::{Value, json};
use std::{collections::VecDeque, path::PathBuf, time::Duration};
use tokio::{fs::File, io::AsyncReadExt as _};
use trustmesh_types::Digest;

/// For an image to be loaded, beside a second for each MiB.
const LOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;
/// Blocks of a tar archive have this length.
const TAR_BLOCK: usize = 512;

/// Loads an image, unless it is there and is what it should be.
pub(super) async fn load(engine: &Engine, image: &ImageFiles) -> Result<(), ContainerError> {
    let docker = engine.connect().await?;
    let tag = engine.tag(&image.manifest);
    if check(&docker, &tag, image).await.is_ok() {
        return Ok(());
    }
    let zstd = image.layers.iter().find(|layer| layer.media_type.ends_with("zstd"));
    let sum = image.layers.iter().fold(0, |sum: u64, it| sum.saturating_add(it.bytes));
    let timeout = LOAD_TIMEOUT + Duration::from_secs(sum >> 20);
    let docker = docker.with_timeout(timeout);
    let loaded = tokio::time::timeout(timeout, send(&docker, archive(image, &tag))).await;
    let late = || ContainerError::Image { reason: "the engine took too long".to_owned() };
    loaded.map_err(|_| late())?.map_err(|error| match (error, zstd) {
        (ContainerError::Engine { reason, .. }, Some(_)) => ContainerError::Image {
            reason: format!("{reason} (layers are compressed by zstd, which old engines can't)"),
        },
        (ContainerError::Engine { reason, .. }, None) => ContainerError::Image { reason },
        (other, _) => other,
    })?;
    if let Err(error) = check(&docker, &tag, image).await {
        remove(&docker, &tag).await?;
        return Err(error);
    }
    Ok(())
}

/// The images that have a name of this node's, by the digests in their tags. Podman puts
/// `localhost/` before names.
pub(super) async fn images(
    docker: &Docker,
    repository: &str,
) -> Result<Vec<Digest>, ContainerError> {
    let listed = docker.list_images(None::<ListImagesOptions>).await;
    let listed = listed.map_err(|error| ContainerError::of("list images", &error))?;
    let own = |tag: &String| {
        let tag = tag.strip_prefix("localhost/").unwrap_or(tag);
        tag.strip_prefix(repository)?.strip_prefix(':')?.parse().ok()
    };
    Ok(listed.iter().flat_map(|image| &image.repo_tags).filter_map(own).collect())
}

/// Takes this node's name off an image; the engine drops it with the last one.
pub(super) async fn remove(docker: &Docker, tag: &str) -> Result<(), ContainerError> {
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    super::engine::gone(docker.remove_image(tag, Some(force), None).await, "remove an image")
}

/// That the engine has under a tag what the files are. Most engines know an image by the digest
/// of its configuration, which names its layers; others show the layers.
async fn check(docker: &Docker, tag: &str, image: &ImageFiles) -> Result<(), ContainerError> {
    let found = docker.inspect_image(tag).await;
    let found = found.map_err(|e| ContainerError::of("show an image", &e))?;
    if found.id.as_deref() == Some(&format!("sha256:{}", image.config_digest)) {
        return Ok(());
    }
    let config: Value = serde_json::from_slice(&image.config)
        .map_err(|e| ContainerError::Image { reason: shorten(e.to_string()) })?;
    let wanted: Option<Vec<&str>> = config
        .pointer("/rootfs/diff_ids")
        .and_then(Value::as_array)
        .map(|layers| layers.iter().filter_map(Value::as_str).collect());
    let layers = found.root_fs.and_then(|it| it.layers).unwrap_or_default();
    let same = |wanted: Vec<&str>| layers.iter().map(String::as_str).eq(wanted);
    let architecture = config.get("architecture").and_then(Value::as_str);
    if wanted.is_some_and(same) && architecture == found.architecture.as_deref() {
        return Ok(());
    }
    Err(ContainerError::Image { reason: "the engine made another image of it".to_owned() })
}

async fn send(
    docker: &Docker,
    parts: BoxStream<'static, std::io::Result<Bytes>>,
) -> Result<(), ContainerError> {
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    let answers = docker.import_image(options, body_try_stream(parts), None);
    let mut answers = std::pin::pin!(answers);
    while let Some(answer) = answers.next().await {
        answer.map_err(|error| ContainerError::of("load an image", &error))?;
    }
    Ok(())
}

/// A part of the archive.
enum Part {
    Bytes(Bytes),
    File { path: PathBuf, bytes: u64 },
}

/// The archive: manifest, configuration, layers.
fn archive(image: &ImageFiles, tag: &str) -> BoxStream<'static, std::io::Result<Bytes>> {
    let config = format!("{}.json", image.config_digest);
    let layer = |it: &super::LayerFile| format!("{}/layer.tar", it.digest);
    let layers: Vec<String> = image.layers.iter().map(layer).collect();
    let manifest = json!([{ "Config": config, "RepoTags": [tag], "Layers": layers }]);
    let manifest = Bytes::from(manifest.to_string());
    let mut parts = VecDeque::new();
    for (name, data) in [("manifest.json".to_owned(), manifest), (config, image.config.clone())] {
        parts.push_back(Part::Bytes(header(&name, data.len() as u64)));
        let length = data.len() as u64;
        parts.push_back(Part::Bytes(data));
        parts.push_back(Part::Bytes(padding(length)));
    }
    let mut sent = std::collections::BTreeSet::new();
    for it in &image.layers {
        // Equal layers are one entry.
        if sent.insert(it.digest) {
            parts.push_back(Part::Bytes(header(&layer(it), it.bytes)));
            parts.push_back(Part::File { path: it.path.clone(), bytes: it.bytes });
            parts.push_back(Part::Bytes(padding(it.bytes)));
        }
    }
    parts.push_back(Part::Bytes(Bytes::from(vec![0; 2 * TAR_BLOCK])));
    stream::iter(parts).flat_map(part).boxed()
}

fn header(name: &str, bytes: u64) -> Bytes {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    // Names are digests: they fit.
    let _ = header.set_path(name);
    header.set_cksum();
    Bytes::copy_from_slice(header.as_bytes())
}

fn padding(bytes: u64) -> Bytes {
    let over = usize::try_from(bytes % TAR_BLOCK as u64).unwrap_or(0);
    Bytes::from(vec![0; (TAR_BLOCK - over) % TAR_BLOCK])
}

fn part(part: Part) -> BoxStream<'static, std::io::Result<Bytes>> {
    let (path, bytes) = match part {
        Part::Bytes(bytes) => return stream::iter([Ok(bytes)]).boxed(),
        Part::File { path, bytes } => (path, bytes),
    };
    let opened = async move { Ok((File::open(path).await?, bytes)) };
    stream::once(opened)
        .flat_map(|opened: std::io::Result<(File, u64)>| match opened {
            Err(error) => stream::iter([Err(error)]).boxed(),
            Ok(file) => stream::try_unfold(file, read).boxed(),
        })
        .boxed()
}

/// The next bytes of a file, exactly as many as were announced in all.
async fn read((mut file, left): (File, u64)) -> std::io::Result<Option<(Bytes, (File, u64))>> {
    if left == 0 {
        return Ok(None);
    }
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
    let mut buffer = vec![0; most];
    let read = file.read(&mut buffer).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(read);
    Ok(Some((buffer.into(), (file, left.saturating_sub(read as u64)))))
}
