//! How many 512-byte transactions a second four ledgers on this machine agree on, each a
//! process of its own, every signature checked: what the ledger alone can do.
//!
//! `cargo run --release -p trustmesh-consensus --example throughput -- [seconds] [idle]`
//!
//! `idle` submits nothing and reports what a network costs that has nothing to do. One JSON
//! object per node on standard output.

use commonware_utils::channel::mpsc::error::TryRecvError;
use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use trustmesh_consensus::{ClockOffset, Handle, NodeOptions, Options, Streams, start_node};
use trustmesh_types::{
    Payload, SecretKey, SignedTransaction, Transaction,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::Resources,
    transaction::TRANSACTION_VERSION,
};

const NODES: usize = 4;
/// Signers of each node: a block holds at most 256 transactions of one.
const SIGNERS: usize = 16;
const ENCODED_BYTES: usize = 512;
/// Own transactions that wait at a time.
const IN_FLIGHT: u64 = 4_000;
const GROUP: usize = 128;
const WARM_UP: Duration = Duration::from_secs(4);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn signer(node: usize, n: usize) -> SecretKey {
    let mut seed = [9; 32];
    seed[0] = node as u8;
    seed[1] = n as u8;
    SecretKey::from_seed(seed)
}

fn genesis(ports: &[u16]) -> Genesis {
    let node = |(n, port): (usize, &u16)| NodeInfo {
        key: SecretKey::from_seed([n as u8 + 1; 32]).public(),
        name: format!("n{n}"),
        roles: NodeRoles::ALL,
        labels: Default::default(),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: 1 << 30, disk_bytes: 1 << 30 },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".to_owned(),
        p2p_address: format!("127.0.0.1:{port}"),
        http_address: format!("127.0.0.2:{port}"),
    };
    let operator = |at: usize| OperatorInfo {
        key: signer(at / SIGNERS, at % SIGNERS).public(),
        name: format!("signer {at}"),
        publisher: false,
    };
    Genesis {
        version: GENESIS_VERSION,
        name: "throughput".to_owned(),
        created_ms: 0,
        parameters: Parameters::default(),
        operators: (0..NODES * SIGNERS).map(operator).collect(),
        nodes: ports.iter().enumerate().map(node).collect(),
    }
}

fn sign(handle: &Handle, key: &SecretKey, nonce: u64) -> SignedTransaction {
    let state = handle.state();
    // The fields around the note take 150 bytes.
    let transaction = Transaction {
        version: TRANSACTION_VERSION,
        network: state.network(),
        signer: key.public(),
        valid_until_height: state.height() + 1_000,
        nonce,
        payload: Payload::Note { bytes: vec![3; ENCODED_BYTES - 150] },
    };
    transaction.sign(key)
}

#[derive(Clone, Copy, Default)]
struct Usage {
    cpu_ms: u64,
    written_bytes: u64,
    resident_kib: u64,
}

fn usage() -> Usage {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let tick = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let number = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Usage {
        cpu_ms: (tick(11) + tick(12)) * 10,
        written_bytes: number(&read("/proc/self/io"), "write_bytes:"),
        resident_kib: number(&read("/proc/self/status"), "VmRSS:"),
    }
}

/// Takes what is final; gives how many transactions were, own and all.
fn take(streams: &mut Streams, own: &[trustmesh_types::PublicKey]) -> (u64, u64, u64) {
    let (mut mine, mut all, mut blocks) = (0, 0, 0);
    loop {
        match streams.finalized.try_recv() {
            Ok(next) => {
                blocks += 1;
                all += next.receipts.len() as u64;
                mine += next.receipts.iter().filter(|r| own.contains(&r.signer)).count() as u64;
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return (mine, all, blocks),
        }
    }
}

async fn node(n: usize, ports: &[u16], seconds: u64, idle: bool) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let options = NodeOptions {
        ledger: Options {
            genesis: genesis(ports),
            key: SecretKey::from_seed([n as u8 + 1; 32]),
            partition: "ledger".to_owned(),
            delivered_height: None,
            votes_unknown: false,
            snapshot: None,
            clock: ClockOffset::default(),
        },
        contacts: Vec::new(),
        peers_max: None,
        directory: directory.path().to_owned(),
        listen: format!("127.0.0.1:{}", ports.get(n).ok_or("no port")?).parse()?,
        threads: 2,
    };
    let (handle, mut streams, ending) = start_node(options).await?;
    let keys: Vec<SecretKey> = (0..SIGNERS).map(|s| signer(n, s)).collect();
    let own: Vec<_> = keys.iter().map(SecretKey::public).collect();
    tokio::time::sleep(WARM_UP).await;
    take(&mut streams, &own);

    // Signed beforehand: a client's work, not the ledger's.
    let count = if idle { 0 } else { seconds * 4_000 };
    let nonces = (0..count).zip(keys.iter().cycle());
    let mut ready: Vec<SignedTransaction> =
        nonces.map(|(nonce, key)| sign(&handle, key, nonce)).collect();
    let size = ready.first().map_or(0, |tx| trustmesh_types::codec::encode(tx).len());
    let (before, start) = (usage(), Instant::now());
    let (mut sent, mut done, mut all, mut blocks, mut refused) = (0u64, 0u64, 0u64, 0u64, 0u64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let (mine, everyones, made) = take(&mut streams, &own);
        (done, all, blocks) = (done + mine, all + everyones, blocks + made);
        if ready.is_empty() || sent - done + GROUP as u64 > IN_FLIGHT {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let group = ready.split_off(ready.len().saturating_sub(GROUP));
        sent += group.len() as u64;
        let outcomes = handle.submit_many(group).await;
        let failed = outcomes.iter().filter(|o| o.is_err()).count() as u64;
        (refused, sent) = (refused + failed, sent - failed);
    }
    let (after, took) = (usage(), start.elapsed().as_secs_f64());
    println!(
        "{{\"node\":{n},\"transaction_bytes\":{size},\"transactions_per_s\":{:.0},\"own_per_s\":{:.0},\"blocks_per_s\":{:.2},\"refused\":{refused},\"cpu_percent\":{:.2},\"written_kb_per_s\":{:.1},\"resident_mib\":{}}}",
        all as f64 / took,
        done as f64 / took,
        blocks as f64 / took,
        (after.cpu_ms - before.cpu_ms) as f64 / took / 10.0,
        (after.written_bytes - before.written_bytes) as f64 / took / 1_000.0,
        after.resident_kib / 1024,
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(streams);
    handle.shutdown().await;
    ending.failure().await.map_or(Ok(()), |failed| Err(failed.into()))
}

fn parent(seconds: &str, idle: &str) -> Result<(), Failure> {
    let held: Vec<TcpListener> =
        (0..NODES).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<String> = held
        .iter()
        .map(|l| Ok(l.local_addr()?.port().to_string()))
        .collect::<Result<_, Failure>>()?;
    drop(held);
    let program = std::env::current_exe()?;
    let children: Vec<_> = (0..NODES)
        .map(|n| {
            Command::new(&program)
                .args(["node", &n.to_string(), &ports.join(","), seconds, idle])
                .stdout(Stdio::inherit())
                .spawn()
        })
        .collect::<Result<_, _>>()?;
    for mut child in children {
        child.wait()?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["node", n, ports, seconds, idle] => {
            let ports = ports.split(',').map(str::parse).collect::<Result<Vec<u16>, _>>()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(node(n.parse()?, &ports, seconds.parse()?, *idle == "idle"))
        }
        [] => parent("10", ""),
        [seconds] => parent(seconds, ""),
        [seconds, idle, ..] => parent(seconds, idle),
    }
}
