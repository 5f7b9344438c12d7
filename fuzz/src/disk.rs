//! What a node reads of its own disk, or of a snapshot that a peer gave: states, records and
//! checked files.

use crate::{
    Decoder, choose,
    memory::bounded,
    same::{check_exact, exact},
    samples,
};
use borsh::BorshDeserialize as _;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{LazyLock, OnceLock},
};
use trustmesh_api::chain_file::{ChainFileError, Entry, Head, Reader, Writer};
use trustmesh_state::{
    State,
    tables::{
        DesignationRecord, MetaRecord, OffenderRecord, RetryRecord, SettingsRecord, WaitingRecord,
    },
};
use trustmesh_types::{
    codec,
    evidence::SignedCompletion,
    faults::FaultRecord,
    genesis::{Genesis, GenesisError, Parameters},
    records::{AppRecord, Member, NodeLoad, PolicyRecord, RequestRecord, WorkflowRecord},
};

/// What the first byte chooses from.
pub const DECODERS: &[Decoder] = &[
    ("state", state),
    ("state over a sound one", changed_state),
    ("member", check_exact::<Member>),
    ("load", check_exact::<NodeLoad>),
    ("application", check_exact::<AppRecord>),
    ("workflow", check_exact::<WorkflowRecord>),
    ("request", check_exact::<RequestRecord>),
    ("policy", check_exact::<PolicyRecord>),
    ("fault", check_exact::<FaultRecord>),
    ("settings", check_exact::<SettingsRecord>),
    ("parameters", check_exact::<Parameters>),
    ("small records", small_records),
    ("genesis", genesis),
    ("genesis document", genesis_document),
    ("kept completion", check_exact::<(u64, SignedCompletion)>),
    ("checked file", checked_file),
    ("chain file", chain_file),
    ("chain entries", chain_entries),
];

/// One input.
pub fn run(data: &[u8]) {
    choose(DECODERS, data);
}

fn state(bytes: &[u8]) {
    let Ok(state) = bounded("state", bytes.len(), || State::restore(bytes)) else { return };
    assert_eq!(state.snapshot(), bytes, "a state has a second snapshot");
    read_all(&state);
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// The entries of the state that genesis makes.
static SOUND: LazyLock<Entries> = LazyLock::new(|| {
    let bytes = samples::state().snapshot();
    let mut rest = &bytes[1..];
    let mut entries = Entries::new();
    while !rest.is_empty() {
        let entry = <(Vec<u8>, Vec<u8>)>::deserialize(&mut rest).expect("a snapshot is entries");
        entries.insert(entry.0, entry.1);
    }
    entries
});

/// A sound state with entries put over it: gets to what a snapshot of noise never shows.
fn changed_state(mut bytes: &[u8]) {
    let mut entries = SOUND.clone();
    while let Ok((key, value)) = <(Vec<u8>, Vec<u8>)>::deserialize(&mut bytes) {
        entries.insert(key, value);
    }
    let mut snapshot = vec![1];
    for entry in &entries {
        snapshot.extend(codec::encode(&entry));
    }
    state(&snapshot);
}

/// What the API and the agent read of a state.
fn read_all(state: &State) {
    let _ = (state.root(), state.height(), state.open_requests().count());
    for node in state.nodes() {
        let _ = (node.available(), state.faults_of(&node.info.key).count());
    }
    let _ = (state.devices().count(), state.faults().count(), state.members().count());
    let _ = (state.apps().count(), state.workflows().count(), state.policies().count());
    for request in state.requests() {
        let _ = state.request(&request.body.id());
    }
}

fn small_records(bytes: &[u8]) {
    check_exact::<MetaRecord>(bytes);
    check_exact::<DesignationRecord>(bytes);
    check_exact::<WaitingRecord>(bytes);
    check_exact::<OffenderRecord>(bytes);
    check_exact::<RetryRecord>(bytes);
}

fn genesis(bytes: &[u8]) {
    if let Some(genesis) = exact::<Genesis>(bytes) {
        begin(&genesis);
    }
}

fn genesis_document(bytes: &[u8]) {
    if let Some(genesis) = crate::same::json::<Genesis>(bytes) {
        begin(&genesis);
    }
}

/// A genesis makes a state when it is valid and the contracts take its members.
fn begin(genesis: &Genesis) {
    let valid = genesis.validate();
    match State::genesis(genesis) {
        Ok(state) => {
            assert!(valid.is_ok(), "a state from a genesis that is refused");
            let restored = State::restore(&state.snapshot());
            assert_eq!(restored.map(|it| it.root()).ok(), Some(state.root()));
        }
        Err(GenesisError::Member { .. }) => {}
        Err(error) => assert!(valid.is_err(), "a valid genesis makes no state: {error}"),
    }
}

/// Largest payload that a checked file may have here.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

fn checked_file(bytes: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder for files"));
    let path: PathBuf = folder.path().join("checked");
    std::fs::write(&path, bytes).expect("a file to read");
    if let Ok(Some(payload)) = trustmesh_data::read_checked(&path, PAYLOAD_BYTES_MAX) {
        trustmesh_data::write_atomic(&path, &payload).expect("a file to write");
        let written = std::fs::read(&path).expect("the file just written");
        assert_eq!(written, bytes, "a checked file has a second form");
    }
}

fn entries_of(bytes: &[u8]) -> Result<(Head, Vec<Entry>), ChainFileError> {
    let mut reader = Reader::new(bytes)?;
    let head = reader.head().clone();
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok((head, entries))
}

fn written(head: &Head, entries: &[Entry]) -> Result<Vec<u8>, ChainFileError> {
    let mut writer = Writer::new(Vec::new(), head)?;
    for entry in entries {
        writer.push(entry)?;
    }
    writer.end()
}

fn chain_file(bytes: &[u8]) {
    let read = bounded("chain file", bytes.len(), || entries_of(bytes));
    if let Ok((head, entries)) = read {
        let again = written(&head, &entries).expect("what was read can be written");
        assert_eq!(again, bytes, "a chain file has a second form");
    }
}

/// What can be written can be read; chance never finds a checksum.
fn chain_entries(bytes: &[u8]) {
    let Some((head, entries)) = exact::<(Head, Vec<Entry>)>(bytes) else { return };
    if let Ok(file) = written(&head, &entries) {
        let (got, read) = entries_of(&file).expect("what was written can be read");
        assert_eq!((got, read), (head, entries));
    }
}
