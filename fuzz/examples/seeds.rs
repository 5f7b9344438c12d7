//! Writes the hand-made seeds, `seeds/TARGET/NAME`: sound values of the larger kinds, which
//! mutation would take long to find. Inputs that fuzzing has found stand beside them.

// Brings what instrumented builds of the crates call, so that the example needs no own ones.
use libfuzzer_sys as _;
use serde::Serialize;
use std::{error::Error, fs, path::Path};
use trustmesh_api::{
    HexBytes, RawBlock, RawBlocks, SealedResult, SubmitRequest, SubmitTransactions,
    auth::Call,
    chain_file::{Entry, Head, Writer},
};
use trustmesh_consensus::StateSnapshot;
use trustmesh_fuzz::{Decoder, definitions, disk, http, input, node, policy, samples, wire};
use trustmesh_node::join::JoinFile;
use trustmesh_types::{Signature, codec::encode, merkle, policy::PolicyScope};

type Done = Result<(), Box<dyn Error>>;

fn write(target: &str, decoders: &[Decoder], decoder: &str, number: usize, bytes: &[u8]) -> Done {
    let folder = Path::new("seeds").join(target);
    fs::create_dir_all(&folder)?;
    let name = format!("{}-{number}", decoder.replace(' ', "-"));
    Ok(fs::write(folder.join(name), input(decoders, decoder, bytes))?)
}

fn of_wire() -> Done {
    let put = |name, n, bytes: &[u8]| write("wire", wire::DECODERS, name, n, bytes);
    let envelopes: Vec<Vec<u8>> = samples::envelopes().iter().map(encode).collect();
    for (n, envelope) in envelopes.iter().enumerate() {
        put("envelope", n, envelope)?;
    }
    put("group", 0, &envelopes.concat())?;
    for (n, transaction) in samples::transactions().iter().enumerate() {
        put("transaction", n, &encode(transaction))?;
    }
    put("block", 0, &encode(&samples::block()))?;
    put("rooted block", 0, &encode(&samples::block()))?;
    put("header", 0, &encode(&samples::block().header))?;
    put("request body", 0, &encode(&samples::body()))?;
    put("storage receipt", 0, &encode(&samples::receipt()))?;
    put("completion", 0, &encode(&samples::completion()))?;
    put("votes", 0, &encode(&samples::votes()))?;
    put("workflow", 0, &encode(&samples::workflow()))?;
    let leaves = [samples::body().id().0; 3];
    put("merkle proof", 0, &encode(&merkle::prove(&leaves, 1).ok_or("no proof")?))
}

fn of_disk() -> Done {
    let put = |name, bytes: &[u8]| write("disk", disk::DECODERS, name, 0, bytes);
    let state = samples::state();
    put("state", &state.snapshot())?;
    let entry = |table: u8, value: Vec<u8>| (vec![table], value);
    let settings = state.snapshot();
    put("state over a sound one", &encode(&entry(13, settings[..8].to_vec())))?;
    put("genesis", &encode(&samples::genesis()))?;
    put("genesis document", &serde_json::to_vec(&samples::genesis())?)?;
    put("kept completion", &encode(&(7u64, samples::completion())))?;
    put("parameters", &encode(&samples::genesis().parameters))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("checked");
    trustmesh_data::write_atomic(&path, b"payload")?;
    put("checked file", &fs::read(path)?)?;
    let head = Head { network: samples::network(), first: 1, last: 1 };
    let (block, receipts) = (encode(&samples::block()), Some(Vec::new()));
    let entry = Entry { height: 1, block, certificate: vec![1], receipts };
    let mut file = Writer::new(Vec::new(), &head)?;
    file.push(&entry)?;
    put("chain file", &file.end()?)?;
    put("chain entries", &encode(&(head, vec![entry])))
}

fn of_http() -> Done {
    let put = |name, bytes: &[u8]| write("http", http::DECODERS, name, 0, bytes);
    let json = |name, value: &dyn erased::Json| put(name, &value.bytes()?);
    let data = serde_json::json!({ "a": [1, 2.5, null], "b": "ü" });
    let (body, signature) = (samples::body(), Signature([7; 64]));
    json("submit request", &SubmitRequest { body, signature, data })?;
    let transaction = samples::transactions().pop().ok_or("no transaction")?;
    let transactions = vec![HexBytes(encode(&transaction))];
    json("submit transactions", &SubmitTransactions { transactions })?;
    put("list query", b"limit=5&after=n%201")?;
    put("request query", b"status=active&limit=5")?;
    put("range query", b"from=7&limit=2")?;
    put("fault query", b"number=1")?;
    put("wait query", b"wait=30s")?;
    let call = Call { method: "GET", target: "/v1/requests", body: b"{}" };
    let headers = call.sign(&samples::key(1), &samples::network(), 5);
    let lines: Vec<String> = headers.pairs().map(|(_, value)| value).into();
    put("headers", format!("{}\n{{}}", lines.join("\n")).as_bytes())?;
    let key = trustmesh_delivery::ResultSecret::from_bytes([5; 32]).public();
    let sealed = [&[1], key.as_slice(), [9; 40].as_slice()].concat();
    put("sealed", &sealed)?;
    let (request, holder) = (samples::body().id(), samples::key(1).public());
    json("sealed result", &SealedResult { request, holder, sealed: HexBytes(sealed) })?;
    let block = HexBytes(encode(&samples::block()));
    let raw = RawBlock { height: 1, block, certificate: HexBytes(vec![1, 2]) };
    json("raw blocks", &RawBlocks { height: 1, blocks: vec![raw] })?;
    put("problem", br#"{"type":"t","title":"t","status":404,"detail":"d","code":"not_found"}"#)?;
    put("health", br#"{"status":"ok","version":"0.1.0"}"#)?;
    put("ready", br#"{"ready":false,"height":7,"reason":"r"}"#)
}

/// Values of several types as JSON.
mod erased {
    pub trait Json {
        fn bytes(&self) -> serde_json::Result<Vec<u8>>;
    }
    impl<T: super::Serialize> Json for T {
        fn bytes(&self) -> serde_json::Result<Vec<u8>> {
            serde_json::to_vec(self)
        }
    }
}

fn of_definitions() -> Done {
    let put =
        |name, n, text: &str| write("definitions", definitions::DECODERS, name, n, text.as_bytes());
    put("workflow", 0, "name: w\ntasks:\n  a: {app: x}\n  b: {app: y, after: a, timeout: 2m}\n")?;
    put(
        "workflow",
        1,
        "{\"tasks\":{\"a\":{\"app\":\"x\",\"params\":{\"k\":[1.5]},\"replicas\":2}}}",
    )?;
    put("workflow", 2, "{\"start\":\"a\",\"nodes\":{\"a\":{\"next\":[\"b\"]},\"b\":{}}}")?;
    put("canonical", 0, "{\"b\":[1e21,-0.0,\"\\u00fc\"],\"a\":null}")?;
    put("app", 0, "name: a\nartifact: a.wasm\n")?;
    put("app", 1, samples::APP)?;
    put(
        "image",
        0,
        "registry.example:5000/team/app:1.0@sha256:\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )?;
    put("image", 1, "[::1]:80/a/b__c-d.e")?;
    put("cosign", 0, samples::SIGNATURES)?;
    put("cosign", 1, samples::BUNDLE)
}

fn of_policy() -> Done {
    let put = |name, n, text: &str| write("policy", policy::DECODERS, name, n, text.as_bytes());
    for (n, (scope, expression)) in samples::EXPRESSIONS.iter().enumerate() {
        let name = match scope {
            PolicyScope::Assignment => "of assignments",
            PolicyScope::Plan => "of plans",
        };
        put(name, n, expression)?;
    }
    put("policy file", 0, "id: p\nscope: plan\nexpression: size(nodes) > 0\nmessage: m\n")?;
    put("plan file", 0, samples::PLAN)
}

fn of_store() -> Done {
    fs::create_dir_all("seeds/store")?;
    // Two bytes within the first page, and a cut.
    fs::write("seeds/store/first-page", [0, 0, 9, 2, 1, 2])?;
    Ok(fs::write("seeds/store/cut", [0, 64, 0, 0])?)
}

fn of_node() -> Done {
    fs::create_dir_all("seeds/node")?;
    let put = |name: &str, bytes: &[u8]| {
        fs::write(format!("seeds/node/{}", name.replace(' ', "-")), node::input(name, bytes))
    };
    let (group, genesis) =
        (|values: Vec<Vec<u8>>| [vec![1], values.concat()].concat(), samples::genesis());
    put("group of messages", &group(samples::envelopes().iter().map(encode).collect()))?;
    put("group of transactions", &group(samples::transactions().iter().map(encode).collect()))?;
    let block = encode(&samples::block());
    let length = u8::try_from(block.len() & 0x7f)? | 0x80;
    put("ledger block", &[&[length, u8::try_from(block.len() >> 7)?], block.as_slice()].concat())?;
    let snapshot = StateSnapshot {
        handovers: Vec::new(),
        block: samples::block(),
        certificate: vec![0; 32],
        state: samples::state().snapshot(),
    };
    put("fetched snapshot", &encode(&snapshot))?;
    put("kept snapshot", b"a state")?;
    put("configuration", node::CONFIGURATION.as_bytes())?;
    let invited = genesis.nodes.first().cloned().ok_or("no node")?;
    let join = JoinFile::new(genesis.clone(), invited, genesis.nodes.clone());
    put("join file", &serde_json::to_vec(&join)?)?;
    put("key file", "07".repeat(32).as_bytes())?;
    let marker = serde_json::json!({
        "format": 1,
        "network": genesis.network_id(),
        "node": samples::key(1).public(),
        "prepared": true,
        "made": { "store": true, "ledger": true, "votes": false },
    });
    Ok(put("marker", &serde_json::to_vec(&marker)?)?)
}

fn main() -> Done {
    of_wire()?;
    of_disk()?;
    of_http()?;
    of_definitions()?;
    of_policy()?;
    of_node()?;
    of_store()
}
