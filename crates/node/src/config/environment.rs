//! `TRUSTMESH_NODE_*`: a variable per field, put over the file's value.
//!
//! `TRUSTMESH_NODE_HTTP__REQUEST_TIMEOUT_MS=500` sets `http.request_timeout_ms`: two
//! underscores stand for the dot. A name that is no field is an error, not a surprise.

use super::ConfigError;
use toml::{Table, Value};

const PREFIX: &str = "TRUSTMESH_NODE_";

/// Fields that a variable may set: section (or none), field, whether it is text.
const FIELDS: [(&str, &str, bool); 27] = [
    ("", "data_dir", true),
    ("", "genesis", true),
    ("", "key", true),
    ("", "join", true),
    ("", "stop_with_stdin", false),
    ("listen", "p2p", true),
    ("listen", "http", true),
    ("http", "connections_max", false),
    ("http", "address_connections_max", false),
    ("http", "address_requests_per_second", false),
    ("http", "key_requests_per_second", false),
    ("http", "request_timeout_ms", false),
    ("http", "header_timeout_ms", false),
    ("http", "long_polls_max", false),
    ("http", "watchers_max", false),
    ("admission", "device_requests_per_second", false),
    ("admission", "signer_transactions_per_second", false),
    ("storage", "bytes_max", false),
    ("storage", "artifacts_bytes_max", false),
    ("containers", "socket", true),
    ("retention", "history_blocks", false),
    ("retention", "blocks_max", false),
    ("retention", "blocks_max_bytes", false),
    ("retention", "blocks_max_age_s", false),
    ("retention", "blocks_min", false),
    ("log", "filter", true),
    ("log", "format", true),
];

fn variable_of(section: &str, field: &str) -> String {
    let name = if section.is_empty() { field.to_owned() } else { format!("{section}__{field}") };
    format!("{PREFIX}{}", name.to_uppercase())
}

/// Puts the variables over the file's table.
pub(super) fn put_over(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (variable, text) in variables.filter(|(name, _)| name.starts_with(PREFIX)) {
        let known = FIELDS.iter().find(|(s, f, _)| variable_of(s, f) == variable);
        let Some((section, field, is_text)) = known else {
            let reason = format!("no field has this name; there are {}", names());
            return Err(ConfigError::Environment { variable, reason });
        };
        let value = if *is_text { Value::String(text) } else { plain(&variable, &text)? };
        let into = if section.is_empty() {
            &mut *table
        } else {
            let entry = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            match entry.as_table_mut() {
                Some(inner) => inner,
                None => continue,
            }
        };
        into.insert((*field).to_owned(), value);
    }
    Ok(())
}

fn plain(variable: &str, text: &str) -> Result<Value, ConfigError> {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => Ok(Value::Integer(number)),
        (_, Ok(truth)) => Ok(Value::Boolean(truth)),
        _ => Err(ConfigError::Environment {
            variable: variable.to_owned(),
            reason: format!("{text:?} is no number, nor true or false"),
        }),
    }
}

fn names() -> String {
    let all: Vec<String> =
        FIELDS.iter().map(|(section, field, _)| variable_of(section, field)).collect();
    all.join(", ")
}
