//! What is to be deployed: an application's file, or an artifact and flags; its artifact, from a
//! file or a registry, packed into a store of its own, and checked as nodes will.

use super::{SourceArgs, registry};
use crate::{
    commands::parse,
    context::Context,
    failure::{Done, Failure},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use trustmesh_api::app_file::{self, AppFile, REQUIREMENTS_DEFAULT};
use trustmesh_data::artifacts::{
    ArtifactError, ArtifactStore, architectures, module,
    oci::{Reference, Tag},
    pack,
};
use trustmesh_executor::WasmRunner;
use trustmesh_state::contracts::applications::check_manifest;
use trustmesh_types::{
    AppId, Contents,
    application::START_TIMEOUT_MS_DEFAULT,
    limits::{ARTIFACT_BYTES_MAX, MODULE_BYTES_MAX},
    records::{AppManifest, Grants, Runtime},
    resources::{MIB, Resources},
};

/// An application that can be deployed.
pub(super) struct Source {
    pub(super) manifest: AppManifest,
    pub(super) contents: Contents,
    pub(super) store: ArtifactStore,
    /// Where to put it, beside the nodes.
    pub(super) push: Option<(Reference, Tag)>,
    /// Where the store is; gone with it.
    _folder: TempDir,
}

impl Source {
    /// Reads, packs and checks what the arguments name.
    pub(super) async fn read(context: &Context, args: &SourceArgs) -> Done<Self> {
        let mut file = file(args)?;
        let folder = tempfile::tempdir().map_err(Failure::failed)?;
        let store = ArtifactStore::open(&folder.path().join("store"), ARTIFACT_BYTES_MAX)
            .map_err(|e| Failure::failed(e.to_string()))?;
        let push =
            file.registry.take().map(|to| registry::target(&to, &file.version)).transpose()?;
        let path = beside(&args.file, &file.artifact);
        let key = file.cosign_key.as_deref().map(|key| beside(&args.file, key));
        let (path, packed) = match registry::reference(&path, &file.artifact)? {
            Some(reference) => {
                let layout = folder.path().join("layout");
                registry::pull(context, &reference, &layout, key.as_deref()).await?;
                let packed = pack(&store, &layout);
                // The store has it.
                std::fs::remove_dir_all(&layout).map_err(Failure::failed)?;
                file.registry = Some(registry::name(&reference));
                (PathBuf::from(reference.to_string()), packed)
            }
            None if key.is_some() => {
                let message = format!("cosign_key is set, and {} is a file", path.display());
                return Err(Failure::usage(message).advise(
                    "cosign keeps its signatures in a registry: name the image there as artifact",
                ));
            }
            None => {
                check_length(&path)?;
                if looks_like_module(&path) {
                    check_module(&path, &parse::read(&path)?)?;
                }
                let packed = pack(&store, &path);
                (path, packed)
            }
        };
        if let Some((to, _)) = &push {
            file.registry = Some(registry::name(to));
        }
        let contents = packed.map_err(|error| unusable(&path, &error))?;
        let there = architectures(&store, &contents).map_err(|error| unusable(&path, &error))?;
        check_kind(&file, &there, &path)?;
        if file.runtime == Runtime::Wasm && !looks_like_module(&path) {
            let bytes = module(&store, &contents).map_err(|error| unusable(&path, &error))?;
            check_module(&path, &bytes)?;
        }
        let manifest = manifest(file, &contents, there)?;
        // What the ledger would refuse is not uploaded first.
        check_manifest(&manifest).map_err(|refused| Failure::usage(refused.reason))?;
        Ok(Self { manifest, contents, store, push, _folder: folder })
    }
}

/// A file that is no application's file is an artifact, and flags say the rest.
fn file(args: &SourceArgs) -> Done<AppFile> {
    let described = |extension: &str| ["yaml", "yml", "json"].contains(&extension);
    if args.file.extension().and_then(|it| it.to_str()).is_some_and(described) {
        let said = [
            ("--name", args.name.is_some()),
            ("--app-version", args.app_version.is_some()),
            ("--cpu", args.cpu.is_some()),
            ("--memory", args.memory.is_some()),
            ("--nondeterministic", args.nondeterministic),
        ];
        if let Some((flag, _)) = said.iter().find(|(_, is_said)| *is_said) {
            let message = format!("{} says itself what {flag} says", args.file.display());
            return Err(Failure::usage(message).advise(format!("leave {flag} out")));
        }
        let text = parse::read(&args.file)?;
        let text = String::from_utf8(text)
            .map_err(|_| Failure::usage(format!("{} is no text", args.file.display())))?;
        let read = app_file::read(&text);
        return read.map_err(|e| Failure::usage(format!("{}: {e}", args.file.display())));
    }
    let stem = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_default();
    let runtime = if looks_like_module(&args.file) { Runtime::Wasm } else { Runtime::Container };
    let default = REQUIREMENTS_DEFAULT;
    Ok(AppFile {
        name: parse::id::<AppId>("application name", &name)?,
        version: args.app_version.clone().unwrap_or_else(|| "1".to_owned()),
        runtime,
        artifact: String::new(),
        registry: None,
        cosign_key: None,
        requirements: Resources {
            cpu_millis: args.cpu.unwrap_or(default.cpu_millis),
            memory_bytes: args.memory.map_or(default.memory_bytes, |it| it.saturating_mul(MIB)),
            disk_bytes: default.disk_bytes,
        },
        architectures: BTreeSet::new(),
        deterministic: runtime == Runtime::Wasm && !args.nondeterministic,
        grants: Grants::default(),
        start_timeout: Duration::from_millis(START_TIMEOUT_MS_DEFAULT),
    })
}

/// By its name; a folder or a tar archive is an image.
fn looks_like_module(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "wasm")
}

/// A path in an application's file is beside it.
fn beside(file: &Path, artifact: &str) -> PathBuf {
    match file.parent() {
        _ if artifact.is_empty() => file.to_owned(),
        Some(folder) => folder.join(artifact),
        None => PathBuf::from(artifact),
    }
}

/// What nodes would refuse is not read.
fn check_length(path: &Path) -> Done {
    let meta = std::fs::metadata(path).map_err(|e| Failure::unreadable(path, &e))?;
    let most = if looks_like_module(path) { MODULE_BYTES_MAX } else { ARTIFACT_BYTES_MAX };
    if meta.is_file() && meta.len() > most {
        let message = format!("{} has more than {most} bytes, the most allowed", path.display());
        return Err(Failure::usage(message));
    }
    Ok(())
}

fn unusable(path: &Path, error: &ArtifactError) -> Failure {
    let said = match error {
        ArtifactError::Unusable { .. } => error.to_string(),
        _ => format!("{}: {error}", path.display()),
    };
    let shown = path.display().to_string();
    let said = if said.contains(&shown) { said } else { format!("{shown}: {said}") };
    Failure::usage(said).advise("see \"Your own\" in apps/README.md")
}

/// That the artifact is of the runtime's kind.
fn check_kind(file: &AppFile, there: &BTreeSet<String>, path: &Path) -> Done {
    let shown = path.display();
    match file.runtime {
        Runtime::Wasm if !there.is_empty() => {
            let message = format!("{shown} is a container image, and the runtime is wasm");
            Err(Failure::usage(message).advise("say `runtime: container`"))
        }
        Runtime::Container if there.is_empty() => {
            let message = format!("{shown} is a WebAssembly module, and the runtime is container");
            Err(Failure::usage(message).advise("say `runtime: wasm`"))
        }
        Runtime::Container => match file.architectures.iter().find(|it| !there.contains(*it)) {
            Some(missing) => {
                let have: Vec<&str> = there.iter().map(String::as_str).collect();
                let message = format!("{shown} is there for {}, not {missing}", have.join(", "));
                Err(Failure::usage(message).advise("name the architectures that the image has"))
            }
            None => Ok(()),
        },
        Runtime::Wasm => Ok(()),
    }
}

/// That nodes will be able to run the module; compiles it, which takes a moment.
fn check_module(path: &Path, module: &[u8]) -> Done {
    WasmRunner::validate(module).map_err(|error| {
        let said = format!("{}: {error}", path.display());
        if !error.blames_application() {
            return Failure::failed(said);
        }
        Failure::usage(said).advise("see \"Your own\" in apps/README.md")
    })
}

fn manifest(file: AppFile, contents: &Contents, there: BTreeSet<String>) -> Done<AppManifest> {
    let start_timeout_ms = u64::try_from(file.start_timeout.as_millis());
    Ok(AppManifest {
        version: file.version,
        runtime: file.runtime,
        registry: file.registry,
        architectures: if file.architectures.is_empty() { there } else { file.architectures },
        deterministic: file.deterministic,
        grants: file.grants,
        start_timeout_ms: start_timeout_ms.map_err(Failure::usage)?,
        ..AppManifest::module(file.name, contents, file.requirements)
    })
}
