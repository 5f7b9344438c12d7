//! `debug bundle`: how a node is, in one file, for somebody who can't log in there.
//!
//! Invariants: what goes in is named here, part by part; no key file is read into it (the
//! node's own is read to search for it); what the node doesn't answer is left out, and the
//! bundle says so.

use super::{archive::Archive, secrets::Secrets};
use crate::{
    commands::node::doctor::{self, Found, peers::reachable},
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use trustmesh_api::{FaultQuery, ListQuery, RequestQuery, paths};
use trustmesh_client::{Client, ClientError, Endpoint, Options, probe};
use trustmesh_node::inspect::{self, Use};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Newest blocks, faults and requests that are asked for.
const ENTRIES: u32 = 100;
/// Newest blocks whose receipts are asked for.
const RECEIPTS_BLOCKS: u64 = 20;
/// The end of the log that goes in.
const LOG_BYTES: u64 = 1 << 20;

/// Which node, and where to.
#[derive(Debug, clap::Args)]
pub struct BundleArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write it [default: trustmesh-debug-UNIXSECONDS.tar.gz here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written {
    file: PathBuf,
    bytes: usize,
    parts: Vec<String>,
    /// What the node did not give, and why.
    missing: Vec<String>,
}

/// Gathers and writes.
pub async fn run(context: &Context, args: &BundleArgs) -> Done {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let (report, found) = doctor::examine(&args.config).await;
    let Some((found, used)) = found else {
        let what = report.checks.last().map(|it| it.found.clone()).unwrap_or_default();
        return Err(Failure::usage(what)
            .advise("a bundle needs the node's configuration, genesis and key to be readable"));
    };
    let mut archive = Archive::new(Secrets::of(&found.key), now_s);
    archive.json("doctor.json", &report)?;
    archive.json("config.json", &found.config)?;
    archive.json("genesis.json", &found.genesis)?;
    archive.add("files.txt", files(&found).as_bytes())?;
    let mut missing = Vec::new();
    match log(&args.config) {
        Ok(text) => archive.add("node.log", &text)?,
        Err(why) => missing.push(format!("node.log: {why}")),
    }
    if used == Use::Running {
        ask(&found, &mut archive, &mut missing).await?;
    } else {
        missing.push("what the node says: it does not run".to_owned());
    }
    let about = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "made_s": now_s,
        "node": found.key.public(),
        "network": found.genesis.network_id(),
        "parts": archive.parts,
        "missing": missing,
    });
    archive.json("about.json", &about)?;
    let default = || PathBuf::from(format!("trustmesh-debug-{now_s}.tar.gz"));
    let file = args.out.clone().unwrap_or_else(default);
    let parts = archive.parts.clone();
    let bytes = archive.write(&file)?;
    context.printer.answer(&Written { file, bytes, parts, missing }, text)
}

fn text(written: &Written) -> String {
    Table::pairs([
        ("file", written.file.display().to_string()),
        ("size", units::bytes(written.bytes as u64)),
        ("holds", written.parts.join(", ")),
        ("missing", written.missing.join("; ")),
    ])
}

/// Lengths and names in the data directory; no content.
fn files(found: &Found) -> String {
    match inspect::files(&found.config.data_dir) {
        Ok(files) => {
            let line =
                |file: &inspect::Sized| format!("{:>14} {}\n", file.bytes, file.path.display());
            files.iter().map(line).collect()
        }
        Err(error) => format!("can't be listed: {error}\n"),
    }
}

/// The end of `node.log` beside the configuration, where `network up` writes it.
fn log(config: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(config.with_file_name("node.log"))?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut text = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// What the running node says of itself and the ledger: anybody may ask for all of it.
async fn ask(found: &Found, archive: &mut Archive, missing: &mut Vec<String>) -> Done {
    let address = reachable(found.config.listen.http);
    let endpoint = Endpoint { address, node: found.key.public() };
    let options = Options {
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        rounds: 1,
        ..Options::default()
    };
    let network = found.genesis.network_id();
    match probe::text(endpoint.clone(), network, paths::METRICS, &options).await {
        Ok(metrics) => archive.add("metrics.txt", metrics.as_bytes())?,
        Err(why) => missing.push(format!("metrics.txt: {why}")),
    }
    let client = Client::with_options(&found.genesis, vec![endpoint], options)?;
    let page = ListQuery { limit: Some(ENTRIES), after: None };
    let requests = RequestQuery { limit: Some(ENTRIES), ..RequestQuery::default() };
    let faults = FaultQuery { limit: Some(ENTRIES), ..FaultQuery::default() };
    let status = client.status().await;
    let newest = status.as_ref().map_or(0, |it| it.height);
    put(archive, missing, "status.json", status)?;
    put(archive, missing, "nodes.json", client.nodes(&page).await)?;
    put(archive, missing, "parameters.json", client.parameters().await)?;
    put(archive, missing, "blocks.json", client.blocks(&page).await)?;
    put(archive, missing, "faults.json", client.faults(&faults).await)?;
    put(archive, missing, "requests.json", client.requests(&requests).await)?;
    let mut receipts = Vec::new();
    for height in newest.saturating_sub(RECEIPTS_BLOCKS - 1).max(1)..=newest {
        if let Ok(found) = client.block_receipts(height).await {
            receipts.push(found);
        }
    }
    archive.json("receipts.json", &receipts)
}

fn put<T: Serialize>(
    archive: &mut Archive,
    missing: &mut Vec<String>,
    name: &str,
    answer: Result<T, ClientError>,
) -> Done {
    match answer {
        Ok(value) => archive.json(name, &value),
        Err(why) => {
            missing.push(format!("{name}: {why}"));
            Ok(())
        }
    }
}
