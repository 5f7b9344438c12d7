//! What an operator says of a node, as arguments.

use crate::{
    commands::parse::{self, RuntimeArg},
    failure::{Done, Failure},
};
use clap::{Args, ValueEnum};
use std::{collections::BTreeMap, path::PathBuf};
use trustmesh_node::keystore;
use trustmesh_types::{
    PublicKey,
    records::{NodeInfo, NodeRoles, Runtime},
    resources::{MIB, Resources},
};

/// What a node may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Votes on blocks
    Validator,
    /// Plans requests
    Scheduler,
    /// Runs tasks
    Worker,
}

/// What may be said of a node, new or not.
#[derive(Debug, Args)]
pub struct DescriptionArgs {
    /// What it does
    #[arg(long, value_enum, value_delimiter = ',')]
    roles: Vec<Role>,
    /// Thousandths of a core that it has for tasks
    #[arg(long, value_name = "MILLIS")]
    cpu: Option<u64>,
    /// MiB of memory that it has for tasks
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// MiB of disk that it has for tasks
    #[arg(long, value_name = "MIB")]
    disk: Option<u64>,
    /// A label; policies may ask for it. May be repeated; NAME= takes one away
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Architecture [default for a new node: that of this machine]
    #[arg(long)]
    arch: Option<String>,
    /// What it can run [default for a new node: wasm]
    #[arg(long, value_enum, value_delimiter = ',')]
    runtimes: Vec<RuntimeArg>,
    /// Where other nodes reach it
    #[arg(long, value_name = "HOST:PORT")]
    p2p: Option<String>,
    /// Where its HTTP API is reached
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
}

/// A node that is new.
#[derive(Debug, Args)]
pub struct NewNodeArgs {
    /// Its name
    #[arg(long)]
    name: String,
    /// Its public key, or the .pub file that holds it
    #[arg(long, value_name = "KEY", required_unless_present = "generate_key_file")]
    node_key: Option<String>,
    /// Make its key file here; bring that to the machine by a safe way
    #[arg(long, value_name = "FILE", conflicts_with = "node_key")]
    generate_key_file: Option<PathBuf>,
    #[command(flatten)]
    description: DescriptionArgs,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as in zone=a")?;
    if name.is_empty() {
        return Err("a label's name must not be empty".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

impl DescriptionArgs {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        let amounts = [self.cpu, self.memory, self.disk];
        let texts = [&self.arch, &self.p2p, &self.http];
        self.roles.is_empty()
            && self.labels.is_empty()
            && self.runtimes.is_empty()
            && amounts.iter().all(Option::is_none)
            && texts.iter().all(|text| text.is_none())
    }

    /// Puts what is said over a node.
    pub fn put_over(&self, info: &mut NodeInfo) {
        if !self.roles.is_empty() {
            let has = |role| self.roles.contains(&role);
            info.roles = NodeRoles {
                validator: has(Role::Validator),
                scheduler: has(Role::Scheduler),
                worker: has(Role::Worker),
            };
        }
        let Resources { cpu_millis, memory_bytes, disk_bytes } = &mut info.capacity;
        let mib = |amount: Option<u64>| amount.map(|amount| amount.saturating_mul(MIB));
        for (amount, of) in
            [(self.cpu, cpu_millis), (mib(self.memory), memory_bytes), (mib(self.disk), disk_bytes)]
        {
            *of = amount.unwrap_or(*of);
        }
        for (name, value) in &self.labels {
            if value.is_empty() {
                info.labels.remove(name);
            } else {
                info.labels.insert(name.clone(), value.clone());
            }
        }
        if !self.runtimes.is_empty() {
            info.runtimes = self.runtimes.iter().map(|it| (*it).into()).collect();
        }
        for (text, of) in [
            (&self.arch, &mut info.arch),
            (&self.p2p, &mut info.p2p_address),
            (&self.http, &mut info.http_address),
        ] {
            if let Some(text) = text {
                of.clone_from(text);
            }
        }
    }
}

impl NewNodeArgs {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node, of which `like` says what is not said here. Makes no key yet.
    fn described(&self, key: PublicKey, like: Option<&NodeInfo>) -> Done<NodeInfo> {
        let mut info = NodeInfo {
            key,
            name: self.name.clone(),
            roles: like
                .map_or(NodeRoles { validator: false, scheduler: true, worker: true }, |like| {
                    like.roles
                }),
            labels: like.map_or_else(BTreeMap::new, |like| like.labels.clone()),
            capacity: like.map_or(
                Resources { cpu_millis: 2_000, memory_bytes: 1_024 * MIB, disk_bytes: 0 },
                |like| like.capacity,
            ),
            runtimes: like.map_or_else(|| vec![Runtime::Wasm], |like| like.runtimes.clone()),
            arch: std::env::consts::ARCH.to_owned(),
            p2p_address: String::new(),
            http_address: String::new(),
        };
        self.description.put_over(&mut info);
        for (flag, address) in [("--p2p", &info.p2p_address), ("--http", &info.http_address)] {
            if address.is_empty() {
                return Err(Failure::usage(format!("where is {} reached?", self.name))
                    .advise(format!("say {flag} HOST:PORT")));
            }
        }
        Ok(info)
    }

    /// The node, with its key made where that was asked for; what `like` says of another one
    /// holds for it too, but for its addresses.
    pub fn node(&self, like: Option<&NodeInfo>) -> Done<NodeInfo> {
        // What is wrong shows before a key is made.
        self.described(PublicKey([0; 32]), like)?;
        let key = match (&self.node_key, &self.generate_key_file) {
            (Some(text), _) => parse::public_key(text)?,
            (None, Some(file)) => keystore::generate(file).map_err(Failure::usage)?.public(),
            (None, None) => {
                return Err(Failure::usage(
                    "which key? neither --node-key nor --generate-key-file",
                ));
            }
        };
        self.described(key, like)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct New {
        #[command(flatten)]
        node: NewNodeArgs,
    }

    fn new(words: &str) -> NewNodeArgs {
        New::parse_from(["x"].into_iter().chain(words.split(' '))).node
    }

    #[test]
    fn a_new_node_is_as_described_and_else_like_the_one_that_it_replaces() {
        let key = PublicKey([7; 32]);
        let words = "--name n --node-key k --p2p a:1 --http b:2";
        let plain = new(words).described(key, None).unwrap();
        assert!(!plain.roles.validator && plain.roles.scheduler && plain.roles.worker);
        let words = format!("{words} --roles validator,worker --cpu 9 --label zone=a");
        let mut old = new(&words).described(key, None).unwrap();
        assert_eq!((old.capacity.cpu_millis, old.labels["zone"].as_str()), (9, "a"));
        assert!(old.roles.validator && !old.roles.scheduler);
        old.name = "old".into();
        let like = new("--name n --node-key k --p2p c:3 --http d:4 --label zone= --memory 5");
        let like = like.described(key, Some(&old)).unwrap();
        assert_eq!((like.name.as_str(), like.p2p_address.as_str()), ("n", "c:3"));
        assert_eq!((like.roles, like.capacity.cpu_millis), (old.roles, 9));
        assert_eq!((like.capacity.memory_bytes, like.labels.len()), (5 * MIB, 0));
    }

    #[test]
    fn a_node_without_an_address_is_refused_before_its_key_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new.key");
        let words = format!("--name n --p2p a:1 --generate-key-file {}", file.display());
        assert!(new(&words).node(None).unwrap_err().to_string().contains("where is n"));
        assert!(!file.exists());
        new(&format!("{words} --http b:2")).node(None).unwrap();
        assert!(file.exists());
    }
}
