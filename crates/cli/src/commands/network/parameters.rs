//! `network parameters`: the network's timeouts, weights and limits, read and changed.
//!
//! Names and values are for people: a parameter of milliseconds is named without its unit and
//! takes a duration. `-o json` has them as the ledger does.

use crate::{
    commands::changes,
    context::Context,
    failure::{Done, Failure},
    output::Table,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use trustmesh_api::{ParametersView, duration};
use trustmesh_types::genesis::Parameters;

/// What to do with the parameters.
#[derive(Debug, Subcommand)]
pub enum ParametersCommand {
    /// Show the parameters as they are
    Show,
    /// Change parameters, as an operator; those that are not named stay
    #[command(after_help = "Examples:
  trustmesh network parameters set generation_timeout=5s
  trustmesh network parameters set fault_limit=5 fault_window=48h --key operator.key

A change holds from the next block on; deadlines that run keep the times they were set to.")]
    Set(SetArgs),
}

/// Which parameters, and what they shall be.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// A parameter and its value, as in `generation_timeout=5s` or `fault_limit=5`
    #[arg(required = true, value_name = "NAME=VALUE")]
    changes: Vec<String>,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: Option<ParametersCommand>) -> Done {
    match command {
        None | Some(ParametersCommand::Show) => show(context).await,
        Some(ParametersCommand::Set(args)) => set(context, &args).await,
    }
}

async fn show(context: &Context) -> Done {
    let view = context.client()?.parameters().await?;
    let (now, usual) = (fields(&view.parameters)?, fields(&Parameters::default())?);
    context.printer.answer(&view, |_: &ParametersView| {
        let mut table = Table::new(&["parameter", "value", "default"], "no parameters");
        for (field, value) in &now {
            let default = usual.get(field).map(|value| shown(field, value));
            table.row([name(field), shown(field, value), default.unwrap_or_default()]);
        }
        table.text()
    })
}

async fn set(context: &Context, args: &SetArgs) -> Done {
    let operator = context.operator()?;
    let present = operator.client().parameters().await?;
    let (parameters, done) = changed(&present.parameters, &args.changes)?;
    let included = operator.set_parameters(parameters, present.digest).await?;
    changes::answer(context, done, &included)
}

/// The parameters after some changes, and what changes, in words.
fn changed(present: &Parameters, changes: &[String]) -> Done<(Parameters, String)> {
    let mut all = fields(present)?;
    let (mut parameters, mut done) = (present.clone(), Vec::new());
    for change in changes {
        let (field, value) = read(&all, change)?;
        let (name, new) = (name(&field), shown(&field, &value));
        let old = all.insert(field.clone(), value).map(|old| shown(&field, &old));
        done.push(format!("{name} is {new} (was {})", old.unwrap_or_default()));
        parameters = serde_json::from_value(Value::Object(all.clone()))
            .map_err(|e| Failure::usage(format!("{name} can't be {new}: {e}")))?;
    }
    parameters.validate().map_err(|e| {
        // The same rules hold for a genesis, which the sentence begins with.
        let what = e.to_string();
        Failure::usage(what.strip_prefix("genesis ").unwrap_or(&what))
    })?;
    Ok((parameters, done.join(", ")))
}

/// The field that a change is of, and its new value.
fn read(all: &Map<String, Value>, change: &str) -> Done<(String, Value)> {
    let (wanted, text) = change.split_once('=').ok_or_else(|| {
        Failure::usage(format!("{change:?} changes nothing"))
            .advise("write NAME=VALUE, as in generation_timeout=5s")
    })?;
    let found = all.iter().find(|(field, _)| *field == wanted || name(field) == wanted);
    let (field, present) = found.ok_or_else(|| {
        let known: Vec<String> = all.keys().map(|field| name(field)).collect();
        Failure::usage(format!("there is no parameter {wanted:?}"))
            .advise(format!("use one of {}", known.join(", ")))
    })?;
    let value = if is_time(field) {
        let time = duration::parse(text).map_err(|e| Failure::usage(format!("{wanted}: {e}")))?;
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
    } else if present.is_string() {
        text.into()
    } else {
        let number: Result<u64, _> = text.parse();
        let why = format!("{wanted}: {text:?} is not a whole number from 0 up");
        number.map_err(|_| Failure::usage(why))?.into()
    };
    Ok((field.clone(), value))
}

fn fields(parameters: &Parameters) -> Done<Map<String, Value>> {
    match serde_json::to_value(parameters) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Failure::failed("the parameters have no JSON form")),
    }
}

/// Whether a field is a time, in milliseconds.
fn is_time(field: &str) -> bool {
    field.ends_with("_ms") || field.ends_with("_ms_max")
}

/// A field's name for people: without its unit.
fn name(field: &str) -> String {
    let name = field.strip_suffix("_ms").unwrap_or(field);
    name.replace("_ms_max", "_max")
}

fn shown(field: &str, value: &Value) -> String {
    match (value, value.as_u64()) {
        (_, Some(ms)) if is_time(field) => duration::text(ms),
        (Value::String(text), _) => text.clone(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(words: &[&str]) -> Done<(Parameters, String)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        changed(&Parameters::default(), &words)
    }

    #[test]
    fn named_parameters_change_and_the_others_stay() {
        let words = ["generation_timeout=5s", "fault_limit=5", "scheduler=round_robin"];
        let (parameters, done) = change(&words).unwrap();
        let expected = Parameters {
            generation_timeout_ms: 5_000,
            fault_limit: 5,
            scheduler: "round_robin".to_owned(),
            ..Parameters::default()
        };
        assert_eq!(parameters, expected);
        assert!(done.contains("generation_timeout is 5s (was 1s)"), "{done}");
        let full = change(&["request_lifetime_ms_max=2h"]).unwrap().0;
        assert_eq!(full, change(&["request_lifetime_max=2h"]).unwrap().0);
        assert_eq!(full.request_lifetime_ms_max, 7_200_000);
    }

    #[test]
    fn what_can_not_be_is_refused_by_name() {
        for (word, parts) in [
            ("generation_timeout", ["changes nothing", "generation_timeout"]),
            ("patience=3", ["no parameter", "patience"]),
            ("generation_timeout=5", ["generation_timeout", "500ms"]),
            ("fault_limit=many", ["fault_limit", "whole number"]),
            ("fault_limit=0", ["fault_limit", "at least 1"]),
            ("execution_attempts_max=300", ["execution_attempts_max", "u8"]),
            ("scheduler=best", ["scheduler", "lcdwrr"]),
        ] {
            let refused = change(&[word]).unwrap_err().to_string();
            assert!(parts.iter().all(|part| refused.contains(part)), "{word}: {refused}");
            assert!(!refused.contains("genesis"), "{word}: {refused}");
        }
    }

    #[test]
    fn every_parameter_has_a_name_of_its_own_that_reads_back() {
        let all = fields(&Parameters::default()).unwrap();
        for (field, value) in &all {
            let word = format!("{}={}", name(field), shown(field, value));
            assert_eq!(read(&all, &word).unwrap(), (field.clone(), value.clone()), "{word}");
        }
    }
}
