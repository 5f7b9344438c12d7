//! `ledger export`: a node's chain, or a piece of it, as a file ([`trustmesh_api::chain_file`]).
//!
//! What the node gives is written as it is: `ledger import` checks it, as `ledger verify`
//! checks a node's chain.

use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table, units},
};
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::BufWriter,
    path::{Path, PathBuf},
    time::Duration,
};
use trustmesh_api::{
    RangeQuery, RawBlock,
    chain_file::{ChainFileError, Entry, Head, Writer},
    limits::RAW_BLOCKS_MAX,
};
use trustmesh_client::Client;
use trustmesh_types::{Block, NetworkId};

/// Blocks this near to the newest one may wait for their receipts.
const FRESH_BLOCKS: u64 = 64;
/// Looks for receipts of such a block, and the pause between two.
const LOOKS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Which blocks, and where to.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The first block
    #[arg(long, value_name = "HEIGHT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// The last block [default: the newest one]
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u64>,
}

#[derive(Serialize)]
struct Exported {
    file: PathBuf,
    network: NetworkId,
    first: u64,
    last: u64,
    certificates: u64,
    /// Blocks with transactions whose receipts the node no longer had.
    without_receipts: u64,
    bytes: u64,
}

/// Exports from the node that answers.
pub async fn run(context: &Context, args: &ExportArgs) -> Done {
    let client = context.client()?;
    let newest = client.status().await?.height;
    let (first, last) = (args.from, args.to.unwrap_or(newest));
    if first > last || last > newest {
        return Err(Failure::usage(format!("there are no blocks {first} to {last}"))
            .advise(format!("the newest block is {newest}")));
    }
    let network = context.genesis()?.network_id();
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out)
        .map_err(|e| Failure::unwritable(&args.out, &e))?;
    let head = Head { network, first, last };
    let wrong = |error| unwritten(&args.out, error);
    let mut writer = Writer::new(BufWriter::new(file), &head).map_err(wrong)?;
    let progress = Progress::bar(last - first + 1, "blocks");
    let (mut next, mut certificates, mut without_receipts) = (first, 0, 0);
    while next <= last {
        let limit = u32::try_from(last - next + 1).unwrap_or(u32::MAX).min(RAW_BLOCKS_MAX);
        let query = RangeQuery { from: next, limit: Some(limit) };
        let answer = client.raw_blocks(&query).await?;
        if answer.blocks.is_empty() {
            return Err(Failure::failed(format!("the node has no block {next} any more"))
                .advise("ask another one with --endpoint, or begin later with --from"));
        }
        for raw in answer.blocks {
            // The newest blocks' receipts are recorded a moment after the blocks.
            let fresh = raw.height.saturating_add(FRESH_BLOCKS) > newest;
            let entry = entry(&client, raw, fresh).await?;
            certificates += u64::from(!entry.certificate.is_empty());
            without_receipts += u64::from(entry.receipts.is_none());
            writer.push(&entry).map_err(wrong)?;
            next += 1;
        }
        progress.at(next - first);
    }
    drop(progress);
    let file = writer.end().map_err(wrong)?;
    let bytes = durable(file).map_err(|e| Failure::unwritable(&args.out, &e))?;
    let file = args.out.clone();
    let exported = Exported { file, network, first, last, certificates, without_receipts, bytes };
    context.printer.answer(&exported, text)
}

/// A block with its receipts, if the node still has them.
async fn entry(client: &Client, raw: RawBlock, fresh: bool) -> Done<Entry> {
    let block = Block::decode(&raw.block.0)
        .map_err(|e| Failure::failed(format!("block {}: {e}", raw.height)))?;
    let mut receipts = block.transactions.is_empty().then(Vec::new);
    for look in 0..LOOKS_MAX {
        if receipts.is_some() || (look > 0 && !fresh) {
            break;
        }
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        receipts = client.block_receipts(raw.height).await.ok().map(|it| it.receipts);
    }
    let (block, certificate) = (raw.block.0, raw.certificate.0);
    Ok(Entry { height: raw.height, block, certificate, receipts })
}

fn durable(file: BufWriter<File>) -> std::io::Result<u64> {
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn unwritten(path: &Path, error: ChainFileError) -> Failure {
    match error {
        ChainFileError::Io(error) => Failure::unwritable(path, &error),
        // Of what the node gave.
        other => Failure::failed(other).at(path.display()),
    }
}

fn text(exported: &Exported) -> String {
    let it = exported;
    Table::pairs([
        ("file", format!("{}, {}", it.file.display(), units::bytes(it.bytes))),
        ("network", it.network.to_string()),
        ("blocks", format!("{} to {}", it.first, it.last)),
        ("certificates", it.certificates.to_string()),
        ("blocks without receipts", it.without_receipts.to_string()),
        ("next", format!("trustmesh ledger import {}", it.file.display())),
    ])
}
