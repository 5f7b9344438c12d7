//! `ledger import`: checks a chain file by the genesis alone, without any node.
//!
//! A file that begins at block 1 is executed again from genesis, as `ledger verify` does. A
//! piece that begins later has no state to execute on: what is checked then is that its blocks
//! follow each other, hold what their headers commit to, and are final.
//!
//! With a node's configuration the chain is then written where that node's ledger would be. The
//! file is read a second time for that, and its checksum says that it is the one that was checked.

use super::{audit::Audit, finality};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use serde::Serialize;
use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};
use trustmesh_api::chain_file::{ChainFileError, Entry, Reader};
use trustmesh_node::{NodeConfig, restore};
use trustmesh_state::{State, first_committee};
use trustmesh_types::{
    Block, Digest, NetworkId, committee::Committee, genesis::Genesis, receipt::receipts_root,
};

/// Which file.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// A file that `ledger export` made
    file: PathBuf,

    /// Configuration of a stopped node without a ledger: the chain is written there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Imported {
    network: NetworkId,
    first: u64,
    /// The last block that holds.
    last: u64,
    /// Up to here all blocks are final.
    final_height: u64,
    certificates: u64,
    transactions: u64,
    /// Receipts that are those of their blocks.
    receipts: u64,
    /// Whether all of it was executed again from genesis.
    executed: bool,
    /// Root of the state after the last block, as its header says or execution gave.
    state_root: Digest,
    /// The data directory that it was written into, up to the last final block.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// What does not hold, and where; absent when everything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

/// Checks a file, and writes its chain where it is wanted.
pub fn run(context: &Context, args: &ImportArgs) -> Done {
    let node = args.config.as_deref().map(NodeConfig::load).transpose().map_err(Failure::usage)?;
    let genesis = match &node {
        Some(node) => node.load_genesis().map_err(Failure::usage)?,
        None => context.genesis()?,
    };
    let mut reader = open(&args.file, &genesis)?;
    let head = reader.head().clone();
    if let Some(node) = &node {
        if head.first != 1 {
            return Err(Failure::usage(format!(
                "{} begins at block {}: a node needs a chain from block 1 on",
                args.file.display(),
                head.first
            ))
            .advise("export all of it: trustmesh ledger export --out FILE"));
        }
        // Before the long work.
        restore::check(node).map_err(Failure::failed)?;
    }
    let progress = Progress::bar(head.last - head.first + 1, "blocks");
    let mut check = Check::new(&genesis, head.first)?;
    while let Some(entry) = reader.next_entry().map_err(|e| unread(&args.file, e))? {
        if let Err(what) = check.entry(&entry) {
            check.found.mismatch = Some(format!("block {}: {what}", entry.height));
            break;
        }
        progress.at(check.found.last + 1 - head.first);
    }
    drop(progress);
    let (mut found, state) = check.end();
    if let (Some(node), Some(state), None) = (node, state, &found.mismatch) {
        write(&args.file, &genesis, &node, &state, reader.checksum())?;
        found.data_dir = Some(node.data_dir);
    }
    context.printer.answer(&found, |it| text(it, args.config.as_deref()))?;
    match found.mismatch {
        Some(what) => Err(Failure::failed(format!("the file does not hold: {what}"))
            .advise("export it again from another node with --endpoint, and compare")),
        None => Ok(()),
    }
}

type ChainFile = Reader<BufReader<File>>;

/// Opens a file of the genesis' network.
fn open(path: &Path, genesis: &Genesis) -> Done<ChainFile> {
    let file = File::open(path).map_err(|e| Failure::unreadable(path, &e))?;
    let reader = Reader::new(BufReader::new(file)).map_err(|e| unread(path, e))?;
    let (of, network) = (reader.head().network, genesis.network_id());
    if of != network {
        return Err(Failure::usage(format!(
            "{} is of network {of}, the genesis is that of {network}",
            path.display()
        ))
        .advise("name the right genesis with --genesis FILE"));
    }
    Ok(reader)
}

/// Writes the blocks of a file that was checked, up to that of `state`, into a node's data
/// directory.
fn write(
    path: &Path,
    genesis: &Genesis,
    node: &NodeConfig,
    state: &State,
    checked: &Digest,
) -> Done {
    let mut reader = open(path, genesis)?;
    let progress = Progress::bar(state.height(), "blocks written");
    let changed = || format!("{} has changed since it was checked", path.display());
    let blocks = std::iter::from_fn(|| {
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) if entry.height > state.height() => {}
                Ok(Some(entry)) => {
                    progress.at(entry.height);
                    return Some(Ok((entry.block, entry.certificate)));
                }
                Ok(None) if reader.checksum() == checked => return None,
                Ok(None) => return Some(Err(changed())),
                Err(error) => return Some(Err(error.to_string())),
            }
        }
    });
    restore::restore(node, state, blocks).map_err(Failure::failed)
}

fn unread(path: &Path, error: ChainFileError) -> Failure {
    match error {
        ChainFileError::Io(error) => Failure::unreadable(path, &error),
        other => Failure::failed(other)
            .at(path.display())
            .advise("export it again, or copy it again if it was copied"),
    }
}

/// A file that is being checked.
struct Check {
    way: Way,
    found: Imported,
}

/// How blocks are checked.
enum Way {
    /// By executing them.
    Executed(Box<Audit>),
    /// By what they say of themselves.
    Linked { finality: Box<finality::Finality>, committee: Committee, parent: Option<Digest> },
}

impl Check {
    fn new(genesis: &Genesis, first: u64) -> Done<Self> {
        let entropy = finality::entropy()?;
        let executed = first == 1;
        let way = if executed {
            Way::Executed(Box::new(Audit::new(genesis, entropy).map_err(Failure::usage)?))
        } else {
            let finality = Box::new(finality::Finality::new(genesis.network_id(), entropy));
            // Who voted later only the chain before the piece could show.
            Way::Linked { finality, committee: first_committee(genesis), parent: None }
        };
        let found = Imported {
            network: genesis.network_id(),
            first,
            last: first - 1,
            final_height: 0,
            certificates: 0,
            transactions: 0,
            receipts: 0,
            executed,
            state_root: Digest::default(),
            data_dir: None,
            mismatch: None,
        };
        Ok(Self { way, found })
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let block = Block::decode(&entry.block).map_err(|e| e.to_string())?;
        let header = &block.header;
        if header.height != entry.height {
            return Err(format!("it is block {}", header.height));
        }
        let certificate = Some(entry.certificate.as_slice()).filter(|bytes| !bytes.is_empty());
        match &mut self.way {
            Way::Executed(audit) => audit.block(&block, certificate).map_err(|e| e.to_string())?,
            Way::Linked { finality, committee, parent } => {
                let digest = header.digest();
                if parent.is_some_and(|expected| expected != header.parent) {
                    return Err("it does not follow the block before it".to_owned());
                }
                for signed in &block.transactions {
                    signed.verify().map_err(|e| e.to_string())?;
                }
                if let Some(certificate) = certificate {
                    finality.check(committee, &digest, certificate).map_err(|e| e.to_string())?;
                }
                *parent = Some(digest);
            }
        }
        if let Some(receipts) = &entry.receipts {
            if receipts_root(receipts) != header.receipts_root {
                return Err("its receipts are not those of its header".to_owned());
            }
            self.found.receipts += receipts.len() as u64;
        }
        if certificate.is_some() {
            self.found.certificates += 1;
            self.found.final_height = entry.height;
        }
        self.found.last = entry.height;
        self.found.transactions += block.transactions.len() as u64;
        self.found.state_root = header.state_root;
        Ok(())
    }

    /// What was found, and the state after the last final block when it was executed. Blocks
    /// after the last certificate may not be final, which a file that ends at the newest block
    /// can't help; one without any proves nothing.
    fn end(mut self) -> (Imported, Option<State>) {
        if self.found.certificates == 0 && self.found.mismatch.is_none() {
            self.found.mismatch = Some("no block of it has a certificate".to_owned());
        }
        let state = match self.way {
            Way::Executed(audit) => Some(audit.final_state().clone()),
            Way::Linked { .. } => None,
        };
        (self.found, state)
    }
}

fn text(found: &Imported, config: Option<&Path>) -> String {
    let it = found;
    let verdict = match (&it.mismatch, it.executed) {
        (Some(what), _) => format!("DOES NOT HOLD: {what}"),
        (None, true) => "every block, signature, certificate, receipt and root holds".to_owned(),
        (None, false) => {
            "blocks, signatures, certificates and receipts hold; nothing was executed, since the \
             file does not begin at block 1"
                .to_owned()
        }
    };
    let how = if it.executed { "re-executed" } else { "checked" };
    let written = it.data_dir.as_ref().map_or_else(
        || "nothing: to give it to a node, name its configuration with --config".to_owned(),
        |into| format!("blocks 1 to {} into {}", it.final_height, into.display()),
    );
    let next = config.filter(|_| it.data_dir.is_some());
    let next = next.map(|config| format!("trustmesh node run --config {}", config.display()));
    let mut rows = vec![
        ("network", it.network.to_string()),
        (how, format!("blocks {} to {}, {} transactions", it.first, it.last, it.transactions)),
        ("certificates", format!("{}, final up to block {}", it.certificates, it.final_height)),
        ("receipts", it.receipts.to_string()),
        ("state root", it.state_root.to_string()),
        ("verdict", verdict),
        ("written", written),
    ];
    rows.extend(next.map(|next| ("next", next)));
    Table::pairs(rows)
}
