//! Images as files, as a node's store has them.

use fixtures::ScratchImage;
use std::path::Path;
use trustmesh_executor::container::{ImageFiles, LayerFile};
use trustmesh_types::Digest;

/// An image in a folder, its layer compressed or not; `label` makes it another one.
pub fn image(folder: &Path, label: &str, compressed: bool) -> ImageFiles {
    let image = ScratchImage::new(label);
    let layer = if compressed { image.gzip() } else { image.layer };
    let digest = Digest::of(&layer);
    let path = folder.join(digest.to_string());
    std::fs::write(&path, &layer).unwrap();
    let kind = if compressed { "tar+gzip" } else { "tar" };
    ImageFiles {
        // There is no manifest here: any name that is the image's own does.
        manifest: Digest::of_parts(&[&image.config, &layer]),
        config_digest: Digest::of(&image.config),
        config: image.config.into(),
        layers: vec![LayerFile {
            path,
            digest,
            bytes: layer.len() as u64,
            media_type: format!("application/vnd.oci.image.layer.v1.{kind}"),
        }],
    }
}
