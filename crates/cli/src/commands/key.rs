//! `trustmesh key`: key files of devices, operators and nodes.
//!
//! The secret goes into a file for its owner alone; what is shown is the public half, which
//! also goes into a `.pub` file beside it, to hand to an operator.

use crate::{
    context::{Context, load_key},
    failure::{Done, Failure},
    output::Table,
};
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};
use trustmesh_node::keystore;

/// Key files.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh key generate device.key && cat device.key.pub")]
pub enum KeyCommand {
    /// Make a key file, and FILE.pub with its public key
    #[command(after_help = "Example:
  trustmesh key generate device.key")]
    Generate {
        /// The key file to make; an existing one is never overwritten
        file: PathBuf,
    },
    /// Show a key file's public key
    #[command(after_help = "Example:
  trustmesh key show device.key")]
    Show {
        /// The key file [default: the context's]
        file: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct KeyAnswer {
    file: PathBuf,
    public_key: String,
}

/// Runs a command of this noun.
pub fn run(context: &Context, command: KeyCommand) -> Done {
    let (file, key) = match command {
        KeyCommand::Generate { file } => {
            let public = public_path(&file);
            if public.exists() {
                return Err(Failure::usage(format!("{} exists", public.display()))
                    .advise("choose another name; keys are never overwritten"));
            }
            let key = keystore::generate(&file).map_err(Failure::usage)?;
            std::fs::write(&public, format!("{}\n", key.public()))
                .map_err(|e| Failure::unwritable(&public, &e))?;
            (file, key)
        }
        KeyCommand::Show { file } => {
            let named = file.or_else(|| context.key_path().map(Path::to_owned));
            let file = named.ok_or_else(|| {
                Failure::usage("which key? no FILE, --key, TRUSTMESH_KEY or trustmesh.toml")
            })?;
            let key = load_key(&file)?;
            (file, key)
        }
    };
    let answer = KeyAnswer { file, public_key: key.public().to_string() };
    context.printer.answer(&answer, |it| {
        Table::pairs([
            ("public key", it.public_key.clone()),
            ("key file", it.file.display().to_string()),
        ])
    })
}

fn public_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}
