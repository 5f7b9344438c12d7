//! Against a client that is not ours: the crate `oci-client`.

use crate::place::{MODULE, bytes, open, reference, repository};
use bytes::Bytes;
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    secrets::RegistryAuth,
};
use trustmesh_types::Digest;

/// Its TLS has no provider of its own, and asks for one even where there is no TLS.
fn other() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() })
}

#[tokio::test]
async fn another_client_pulls_the_module_that_we_push() {
    let Some(process) = fixtures::Registry::plain("another_client_pulls_the_module_that_we_push")
    else {
        return;
    };
    let wasm = Bytes::from([MODULE, &bytes(100_000)].concat());
    let registry = open(&process.host);
    let tag = "1.0".parse().unwrap();
    let pushed = registry.push_module(&repository("apps/a"), &tag, wasm.clone()).await.unwrap();
    let image: Reference = format!("{}/apps/a:1.0", process.host).parse().unwrap();
    let kinds = vec!["application/wasm"];
    let pulled = other().pull(&image, &RegistryAuth::Anonymous, kinds).await.unwrap();
    assert_eq!(pulled.digest.unwrap(), format!("sha256:{pushed}"));
    assert_eq!(pulled.layers.len(), 1);
    assert_eq!(pulled.layers[0].data, wasm);
    assert_eq!(pulled.config.media_type, "application/vnd.wasm.config.v0+json");
}

#[tokio::test]
async fn we_pull_the_image_that_another_client_pushes() {
    let Some(process) = fixtures::Registry::plain("we_pull_the_image_that_another_client_pushes")
    else {
        return;
    };
    let image: Reference = format!("{}/images/b:2", process.host).parse().unwrap();
    let layer = bytes(5_000_000);
    let layers = [ImageLayer::oci_v1(layer.clone(), None)];
    let config = Config::oci_v1(r#"{"architecture":"amd64","os":"linux"}"#.as_bytes(), None);
    other().push(&image, &layers, config, &RegistryAuth::Anonymous, None).await.unwrap();
    let (registry, repo) = (open(&process.host), repository("images/b"));
    let resolved = registry.resolve(&reference(&registry, "images/b:2")).await.unwrap();
    assert_eq!(resolved.bytes, registry.manifest(&repo, resolved.digest).await.unwrap());
    let pieces = registry.whole_blob(&repo, Digest::of(&layer), layer.len() as u64).await;
    assert!(crate::place::all(pieces).await.unwrap() == layer);
}
