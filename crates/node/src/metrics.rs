//! What a node says of itself in the text format of metrics, after the engine's own.

use std::fmt::Write as _;
use trustmesh_consensus::Handle;
use trustmesh_data::Store;

/// The metrics' text.
pub(crate) fn text(consensus: &Handle, store: &Store) -> String {
    let mut text = consensus.metrics();
    // The engine ends its text with this mark; ours comes before it.
    if let Some(cut) = text.strip_suffix("# EOF\n").map(str::len) {
        text.truncate(cut);
    }
    let status = consensus.status();
    let gauges: [(&str, &str, u64); 4] = [
        ("trustmesh_height", "Height of the newest final block", status.height),
        ("trustmesh_oldest_block", "Height of the oldest whole block", consensus.oldest()),
        ("trustmesh_pending", "Transactions that wait for a block", status.pending as u64),
        ("trustmesh_store_bytes", "Bytes of blobs and documents", store.usage().bytes()),
    ];
    for (name, help, value) in gauges {
        // Writing to a String can't fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    text.push_str("# EOF\n");
    text
}
