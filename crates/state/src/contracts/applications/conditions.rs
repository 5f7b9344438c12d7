//! What each node says of its copy of an application: whether it runs it, or why not.
//!
//! Invariants: only the node's own word counts, only for the application's newest generation;
//! what a node has said before, or said a moment ago, is not taken again.

use super::super::values;
use crate::{
    machine::Draft,
    tables::{AppConditions, Apps},
};
use trustmesh_types::{
    AppId, PublicKey,
    events::Event,
    limits,
    records::{AppCondition, AppRecord, AppState, Condition},
    reject::{RejectCode, Rejection},
    transaction::AppReport,
};

/// Takes a node's word on its copy of an application.
///
/// # Errors
/// [`Rejection`] when the signer is no worker, the application is unknown, shall not run or is
/// of another generation, or the node has said so before.
pub fn report(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    report: &AppReport,
) -> Result<(), Rejection> {
    let info = values::node(draft, signer, "report on applications")?;
    if !info.roles.worker {
        let reason = format!("node {} is no worker", signer.short());
        return Err(Rejection::new(RejectCode::WrongRole, reason));
    }
    if let Some(note) = &report.note {
        values::text("the note", note, limits::TEXT_BYTES_MAX)?;
    } else if report.condition == Condition::Failed {
        let reason = "a failed application needs a note that says why";
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    let id = &report.app;
    let Some(app) = draft.store.get::<Apps>(id) else {
        let reason = format!("there is no application {id}");
        return Err(Rejection::new(RejectCode::UnknownApp, reason));
    };
    if app.wanted != AppState::Running || app.generation != report.generation {
        let reason = format!(
            "application {id} shall not run, or not generation {}, which the report is about",
            report.generation
        );
        return Err(Rejection::new(RejectCode::AppState, reason));
    }
    let key = (id.clone(), *signer);
    let before = draft.store.get::<AppConditions>(&key);
    if let Some(before) = before.filter(|it| it.generation == report.generation) {
        check_news(draft, report, &before)?;
    }
    let condition = AppCondition {
        generation: report.generation,
        condition: report.condition,
        note: report.note.clone(),
        changed: draft.height,
    };
    draft.store.put::<AppConditions>(&key, &condition);
    if report.condition == Condition::Running {
        draft.touched = true;
    }
    draft.emit(Event::AppReported {
        app: id.clone(),
        node: *signer,
        condition: report.condition,
        note: report.note.clone(),
    });
    Ok(())
}

/// That a report says something else than the last one, and not right after it.
fn check_news(
    draft: &Draft<'_>,
    report: &AppReport,
    before: &AppCondition,
) -> Result<(), Rejection> {
    if before.condition == report.condition && before.note == report.note {
        let reason = format!("the node has said so of application {} before", report.app);
        return Err(Rejection::new(RejectCode::AppState, reason));
    }
    if draft.height < before.changed.saturating_add(limits::APP_REPORT_BLOCKS_MIN) {
        let reason = format!(
            "the node has reported on application {} less than {} blocks ago",
            report.app,
            limits::APP_REPORT_BLOCKS_MIN
        );
        return Err(Rejection::new(RejectCode::TooSoon, reason));
    }
    Ok(())
}

/// Whether a node says that it runs an application; else why not, to follow "node …", and the
/// heights at which what says so changed.
pub(crate) fn fitness(
    draft: &Draft<'_>,
    app: &AppRecord,
    node: &PublicKey,
) -> Result<(), (String, Vec<u64>)> {
    let id = &app.manifest.id;
    let found = draft.store.get::<AppConditions>(&(id.clone(), *node));
    let mut changed = vec![app.changed];
    changed.extend(found.as_ref().map(|it| it.changed));
    match found.filter(|it| it.generation == app.generation) {
        Some(AppCondition { condition: Condition::Running, .. }) => Ok(()),
        Some(AppCondition { note, .. }) => {
            let why = note.unwrap_or_default();
            Err((format!("can't run application {id}: {why}"), changed))
        }
        None => Err((format!("has not said that it runs application {id}"), changed)),
    }
}

/// Forgets what nodes said of an application that shall not run any more.
pub(super) fn forget(draft: &mut Draft<'_>, id: &AppId) {
    let from = (id.clone(), PublicKey([0; 32]));
    let all = draft.store.iter_from::<AppConditions>(&from).map(|(key, _)| key);
    let theirs: Vec<(AppId, PublicKey)> = all.take_while(|(of, _)| of == id).collect();
    for key in theirs {
        draft.store.remove::<AppConditions>(&key);
    }
}
