//! Images `FROM scratch`: one layer with one program.

use flate2::{Compression, write::GzEncoder};
use std::{path::Path, sync::OnceLock};
use trustmesh_executor::container::{ImageFiles, LayerFile};
use trustmesh_types::Digest;

use super::engine::static_program;

/// The program of all images, compiled once.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers/apps/sample.rs");
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let target = folder.path().join("sample");
        static_program(&source, &target);
        std::fs::read(target).expect("a program")
    })
}

fn tar(program: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(0o1777);
    folder.set_size(0);
    tar.append_data(&mut folder, "tmp/", std::io::empty()).expect("a folder");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    tar.append_data(&mut header, "sample", program).expect("an entry");
    tar.into_inner().expect("an archive")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// An image in a folder, its layer compressed or not; `label` makes it another one.
pub fn image(folder: &Path, label: &str, compressed: bool) -> ImageFiles {
    let plain = tar(program());
    let layer = if compressed { gzip(&plain) } else { plain.clone() };
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Entrypoint": ["/sample"], "Labels": { "label": label } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", Digest::of(&plain))] },
    });
    let config = config.to_string().into_bytes();
    let digest = Digest::of(&layer);
    let path = folder.join(digest.to_string());
    std::fs::write(&path, &layer).expect("a layer");
    let kind = if compressed { "tar+gzip" } else { "tar" };
    ImageFiles {
        // There is no manifest here: any name that is the image's own does.
        manifest: Digest::of_parts(&[&config, &layer]),
        config_digest: Digest::of(&config),
        config: config.into(),
        layers: vec![LayerFile {
            path,
            digest,
            bytes: layer.len() as u64,
            media_type: format!("application/vnd.oci.image.layer.v1.{kind}"),
        }],
    }
}
