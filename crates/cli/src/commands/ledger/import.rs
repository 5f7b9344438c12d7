//! `ledger import`: checks a chain file by the genesis alone, without any node.
//!
//! A file that begins at block 1 is executed again from genesis, as `ledger verify` does. A
//! piece that begins later has no state to execute on: what is checked then is that its blocks
//! follow each other, hold what their headers commit to, and are final.
//!
//! Nothing is written into a node's data directory: the engine's archive of blocks opens only
//! with the engine running over it, which also holds the node's votes. A node that has lost its
//! blocks fetches them from its peers.

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
use trustmesh_state::first_committee;
use trustmesh_types::{
    Block, Digest, NetworkId, committee::Committee, genesis::Genesis, receipt::receipts_root,
};

/// Which file.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// A file that `ledger export` made
    file: PathBuf,
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
    /// What does not hold, and where; absent when everything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

/// Checks a file.
pub fn run(context: &Context, args: &ImportArgs) -> Done {
    let genesis = context.genesis()?;
    let file = File::open(&args.file).map_err(|e| Failure::unreadable(&args.file, &e))?;
    let mut reader = Reader::new(BufReader::new(file)).map_err(|e| unread(&args.file, e))?;
    let head = reader.head().clone();
    let network = genesis.network_id();
    if head.network != network {
        return Err(Failure::usage(format!(
            "{} is of network {}, the genesis is that of {network}",
            args.file.display(),
            head.network
        ))
        .advise("name the right genesis with --genesis FILE"));
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
    let found = check.end();
    context.printer.answer(&found, text)?;
    match found.mismatch {
        Some(what) => Err(Failure::failed(format!("the file does not hold: {what}"))
            .advise("export it again from another node with --endpoint, and compare")),
        None => Ok(()),
    }
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

    /// What was found. Blocks after the last certificate may not be final, which a file that
    /// ends at the newest block can't help; one without any proves nothing.
    fn end(mut self) -> Imported {
        if self.found.certificates == 0 && self.found.mismatch.is_none() {
            self.found.mismatch = Some("no block of it has a certificate".to_owned());
        }
        self.found
    }
}

fn text(found: &Imported) -> String {
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
    Table::pairs([
        ("network", it.network.to_string()),
        (how, format!("blocks {} to {}, {} transactions", it.first, it.last, it.transactions)),
        ("certificates", format!("{}, final up to block {}", it.certificates, it.final_height)),
        ("receipts", it.receipts.to_string()),
        ("state root", it.state_root.to_string()),
        ("verdict", verdict),
        ("written", "nothing: a node that has lost blocks fetches them from its peers".to_owned()),
    ])
}
