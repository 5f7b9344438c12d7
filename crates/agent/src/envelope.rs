//! The JSON object that an application reads (DESIGN, "What an application is"):
//! `{"data": …, "inputs": {"<task>": …}, "params": {…}, "total_task_time": s}`.
//!
//! The parts are canonical JSON already, so they are checked and spliced, never parsed into
//! values. `data` is the request's input for a source task; the output of an only
//! predecessor; of several, their arrays one after the other in the workflow's order, where
//! what is no array counts as one element.

use serde::de::IgnoredAny;
use trustmesh_types::TaskId;

/// A part that is no JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is no JSON: {reason}")]
pub(crate) struct NoJson {
    what: String,
    reason: String,
}

/// What a task takes.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a> {
    /// The request's input, for a source task.
    pub(crate) input: Option<&'a [u8]>,
    /// The predecessors' outputs, in the workflow's order.
    pub(crate) outputs: Vec<(&'a TaskId, &'a [u8])>,
    /// The task's parameters, a JSON object.
    pub(crate) params: &'a str,
    /// How long the predecessors ran, microseconds.
    pub(crate) before_us: u64,
}

/// The object's bytes.
///
/// # Errors
/// [`NoJson`] names the part that is none.
pub(crate) fn build(parts: &Parts<'_>) -> Result<Vec<u8>, NoJson> {
    check("the task's params", parts.params.as_bytes())?;
    if let Some(input) = parts.input {
        check("the request's input", input)?;
    }
    for (task, output) in &parts.outputs {
        check(&format!("the output of task {task}"), output)?;
    }
    let mut out = b"{\"data\":".to_vec();
    match (parts.input, parts.outputs.as_slice()) {
        (Some(input), _) => out.extend_from_slice(input),
        (None, [(_, only)]) => out.extend_from_slice(only),
        (None, several) => concatenate(&mut out, several),
    }
    out.extend_from_slice(b",\"inputs\":{");
    for (at, (task, output)) in parts.outputs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"{task}\":").as_bytes());
        out.extend_from_slice(output);
    }
    out.extend_from_slice(b"},\"params\":");
    out.extend_from_slice(parts.params.as_bytes());
    let (seconds, micros) = (parts.before_us / 1_000_000, parts.before_us % 1_000_000);
    out.extend_from_slice(format!(",\"total_task_time\":{seconds}.{micros:06}}}").as_bytes());
    Ok(out)
}

fn check(what: &str, bytes: &[u8]) -> Result<(), NoJson> {
    serde_json::from_slice::<IgnoredAny>(bytes)
        .map(drop)
        .map_err(|e| NoJson { what: what.to_owned(), reason: e.to_string() })
}

fn concatenate(out: &mut Vec<u8>, outputs: &[(&TaskId, &[u8])]) {
    out.push(b'[');
    let mut first = true;
    for (_, output) in outputs {
        let trimmed = output.trim_ascii();
        let inner = trimmed
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"))
            .unwrap_or(trimmed)
            .trim_ascii();
        if inner.is_empty() {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(inner);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: Option<&str>, outputs: &[(&str, &str)], params: &str) -> String {
        let ids: Vec<TaskId> = outputs.iter().map(|(t, _)| TaskId::new(t).unwrap()).collect();
        let outputs = ids.iter().zip(outputs).map(|(id, (_, o))| (id, o.as_bytes())).collect();
        let parts =
            Parts { input: input.map(str::as_bytes), outputs, params, before_us: 1_250_000 };
        String::from_utf8(build(&parts).unwrap_or_else(|e| e.to_string().into_bytes())).unwrap()
    }

    #[test]
    fn arrays_are_put_one_after_the_other_and_the_rest_counts_as_elements() {
        assert_eq!(
            text(None, &[("b", "[1,2]"), ("a", "{\"x\":3}"), ("c", "[]")], "{}"),
            "{\"data\":[1,2,{\"x\":3}],\"inputs\":{\"b\":[1,2],\"a\":{\"x\":3},\"c\":[]},\
             \"params\":{},\"total_task_time\":1.250000}"
        );
        assert!(text(None, &[("a", "7")], "{}").starts_with("{\"data\":7,"));
        assert!(text(Some("[1]"), &[], "{}").starts_with("{\"data\":[1],\"inputs\":{},"));
    }

    #[test]
    fn what_is_no_json_is_named() {
        assert!(text(None, &[("a", "1}")], "{}").starts_with("the output of task a is no JSON"));
        assert!(text(Some("x"), &[], "{}").starts_with("the request's input is no JSON"));
    }
}
