//! Where a command goes, and as whom: from flags, then `TRUSTMESH_*` variables, then the
//! nearest `trustmesh.toml` from the working folder upwards.
//!
//! ```toml
//! genesis = "genesis.json"      # relative to this file
//! key = "operator.key"          # signs what needs a signature; a path, never the key
//! endpoints = ["node-1"]        # nodes to talk to; all of genesis when absent
//!
//! [[registries]]                # as whom registries are used (docs/applications.md)
//! host = "registry.example"
//! ```

use crate::{
    failure::{Done, Failure},
    output::{Format, Printer},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trustmesh_client::{Client, Device, Endpoint, Operator};
use trustmesh_data::artifacts::oci::{Reference, Registry, RegistryConfig};
use trustmesh_node::keystore;
use trustmesh_types::{SecretKey, genesis::Genesis};

/// The context file's name.
pub const FILE_NAME: &str = "trustmesh.toml";

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct ContextArgs {
    /// Form of the answer on standard output
    #[arg(short, long, global = true, value_enum, default_value_t, env = "TRUSTMESH_OUTPUT")]
    pub output: Format,
    /// Context file [default: the nearest trustmesh.toml, from here upwards]
    #[arg(long, global = true, value_name = "FILE", env = "TRUSTMESH_CONTEXT")]
    pub context: Option<PathBuf>,
    /// Genesis document of the network
    #[arg(long, global = true, value_name = "FILE", env = "TRUSTMESH_GENESIS")]
    pub genesis: Option<PathBuf>,
    /// Node to talk to: its name or HTTP address in genesis, or KEY@HOST:PORT for
    /// another one. May be repeated: the next one is tried when one is down
    #[arg(
        long = "endpoint",
        global = true,
        value_name = "NODE",
        env = "TRUSTMESH_ENDPOINTS",
        value_delimiter = ','
    )]
    pub endpoints: Vec<String>,
    /// Key file to sign with (keys themselves are never taken from the command line)
    #[arg(long, global = true, value_name = "FILE", env = "TRUSTMESH_KEY")]
    pub key: Option<PathBuf>,
}

/// What a context file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextFile {
    /// The network's genesis document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis: Option<PathBuf>,
    /// The key file to sign with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Nodes to talk to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Registries, and as whom they are used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<RegistryConfig>,
}

/// What a command knows of its surroundings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Prints the answer.
    pub printer: Printer,
    /// The folder of the context file, if one was found.
    pub folder: Option<PathBuf>,
    file: ContextFile,
}

impl Context {
    /// Flags and variables put over the context file. A file that was named must be there;
    /// one that was searched for need not.
    pub fn new(args: &ContextArgs) -> Done<Self> {
        let path = match &args.context {
            Some(path) if path.is_dir() => Some(path.join(FILE_NAME)),
            Some(path) => Some(path.clone()),
            None => nearest(),
        };
        let folder = path.as_deref().and_then(Path::parent).map(Path::to_owned);
        let mut file = match &path {
            Some(path) => ContextFile::load(path)?,
            None => ContextFile::default(),
        };
        file.genesis = args.genesis.clone().or(file.genesis);
        file.key = args.key.clone().or(file.key);
        if !args.endpoints.is_empty() {
            file.endpoints.clone_from(&args.endpoints);
        }
        Ok(Self { printer: Printer::new(args.output), folder, file })
    }

    /// The network's genesis.
    pub fn genesis(&self) -> Done<Genesis> {
        let path = self.file.genesis.as_deref().ok_or_else(|| {
            Failure::usage("no network: neither --genesis, TRUSTMESH_GENESIS nor a trustmesh.toml")
                .advise(
                    "make one with `trustmesh network init DIR` and run commands inside DIR, or \
                     name a genesis document with --genesis FILE",
                )
        })?;
        load_genesis(path)
    }

    /// The key to sign with.
    pub fn key(&self) -> Done<SecretKey> {
        let path = self.file.key.as_deref().ok_or_else(|| {
            Failure::usage("no key to sign with: neither --key, TRUSTMESH_KEY nor a trustmesh.toml")
                .advise("name a key file with --key FILE; `trustmesh key generate FILE` makes one")
        })?;
        load_key(path)
    }

    /// The registry that an image is named after; used by nobody in particular when the context
    /// does not know it.
    pub fn registry(&self, reference: &Reference) -> Done<Registry> {
        let host = reference.host();
        let known = self.file.registries.iter().find(|it| it.host.eq_ignore_ascii_case(host));
        let config = known.cloned().unwrap_or_else(|| RegistryConfig::new(host));
        Registry::new(&config).map_err(|error| Failure::usage(error.to_string()))
    }

    /// The key file to sign with, if one is named.
    pub fn key_path(&self) -> Option<&Path> {
        self.file.key.as_deref()
    }

    /// An operator with the key to sign with.
    pub fn operator(&self) -> Done<Operator> {
        Ok(Operator::new(self.client()?, self.key()?))
    }

    /// A device with the key to sign with.
    pub fn device(&self) -> Done<Device> {
        Ok(Device::new(self.client()?, self.key()?))
    }

    /// A client of the network, over the nodes that the context names.
    pub fn client(&self) -> Done<Client> {
        let genesis = self.genesis()?;
        client_of(&genesis, &self.file.endpoints)
    }
}

impl ContextFile {
    /// Reads a context file; its paths are relative to it.
    pub fn load(path: &Path) -> Done<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::unreadable(path, &e).advise(
                "--context and TRUSTMESH_CONTEXT name a trustmesh.toml or its folder; `trustmesh \
                 network init DIR` makes one",
            )
        })?;
        let mut file: Self = toml::from_str(&text).map_err(|e| {
            Failure::usage(format!("{}: {}", path.display(), e.to_string().trim_end())).advise(
                "it may hold genesis, key, endpoints and registries; see `trustmesh --help`",
            )
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        for field in [&mut file.genesis, &mut file.key].into_iter().flatten() {
            *field = folder.join(&field);
        }
        file.registries.iter_mut().for_each(|it| it.resolve(folder));
        Ok(file)
    }

    /// Writes the file.
    pub fn store(&self, path: &Path) -> Done {
        let text = toml::to_string(self)
            .map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        let text = format!("# Where `trustmesh` commands go from inside this folder.\n{text}");
        std::fs::write(path, text).map_err(|e| Failure::unwritable(path, &e))
    }
}

/// Reads and checks a genesis document.
pub fn load_genesis(path: &Path) -> Done<Genesis> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::unreadable(path, &e).advise(
            "name the network's genesis document with --genesis FILE, or make a network with \
             `trustmesh network init DIR` and run commands inside DIR",
        )
    })?;
    let genesis: Genesis = serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{} is no genesis: {e}", path.display())))?;
    genesis.validate().map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    Ok(genesis)
}

/// Reads a key file.
pub fn load_key(path: &Path) -> Done<SecretKey> {
    keystore::load(path).map_err(|e| {
        let failure = Failure::usage(e);
        if path.exists() {
            return failure;
        }
        failure.advise("name a key file with --key FILE; `trustmesh key generate FILE` makes one")
    })
}

/// A client over the named nodes of a network, or over all that genesis knows.
pub fn client_of(genesis: &Genesis, names: &[String]) -> Done<Client> {
    let endpoints: Vec<Endpoint> = if names.is_empty() {
        Endpoint::of_genesis(genesis)
    } else {
        names.iter().map(|name| endpoint(genesis, name)).collect::<Done<_>>()?
    };
    Client::new(genesis, endpoints).map_err(Failure::from)
}

fn endpoint(genesis: &Genesis, text: &str) -> Done<Endpoint> {
    if text.contains('@') {
        return text.parse().map_err(Failure::usage);
    }
    let named = |text: &str| {
        genesis.nodes.iter().find(|node| node.name == text || node.http_address == text)
    };
    let node = named(text).ok_or_else(|| {
        let known: Vec<&str> = genesis.nodes.iter().map(|node| node.name.as_str()).collect();
        Failure::usage(format!("endpoint {text:?} is no node of genesis"))
            .advise(format!("use one of {}, or KEY@HOST:PORT", known.join(", ")))
    })?;
    Ok(Endpoint::of_node(node))
}

fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}
