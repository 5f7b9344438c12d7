//! An application is started, stopped, restarted and removed.

use super::{super::values, conditions};
use crate::{machine::Draft, tables::Apps};
use trustmesh_types::{
    AppId, PublicKey,
    events::Event,
    records::{AppRecord, AppState},
    reject::{RejectCode, Rejection},
};

fn found(draft: &Draft<'_>, id: &AppId) -> Result<AppRecord, Rejection> {
    draft.store.get::<Apps>(id).ok_or_else(|| {
        let reason = format!("there is no application {id}; see `trustmesh app list`");
        Rejection::new(RejectCode::UnknownApp, reason)
    })
}

fn refused(id: &AppId, why: &str) -> Rejection {
    Rejection::new(RejectCode::AppState, format!("application {id} {why}"))
}

/// That what shall run has a publisher who may publish.
fn check_publisher(draft: &Draft<'_>, app: &AppRecord) -> Result<(), Rejection> {
    values::publisher(draft, &app.publisher, "publish").map(drop).map_err(|_| {
        let why = format!(
            "was published by {}, who may not publish any more; remove it and deploy it anew",
            app.publisher.short()
        );
        refused(&app.manifest.id, &why)
    })
}

/// Starts, stops or removes an application.
///
/// # Errors
/// [`Rejection`] when the signer may not publish, the application is unknown, its state does
/// not lead to the one wanted, or it is to start and its publisher may not publish any more.
pub fn set_state(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    id: &AppId,
    wanted: AppState,
) -> Result<(), Rejection> {
    values::publisher(draft, signer, "start, stop and remove applications")?;
    let app = found(draft, id)?;
    let why = match (app.wanted, wanted) {
        (AppState::Removed, _) => Some("is removed; deploy it again"),
        (_, AppState::Deployed) => Some("can be set running, stopped or removed only"),
        (AppState::Running, AppState::Running) => {
            Some("is running already; `trustmesh app restart` begins it anew")
        }
        (AppState::Stopped, AppState::Stopped) => Some("is stopped already"),
        _ => None,
    };
    if let Some(why) = why {
        return Err(refused(id, why));
    }
    if wanted == AppState::Running {
        check_publisher(draft, &app)?;
    }
    put(draft, app, wanted);
    Ok(())
}

fn put(draft: &mut Draft<'_>, mut app: AppRecord, wanted: AppState) {
    let id = app.manifest.id.clone();
    if wanted == AppState::Running {
        app.generation = app.generation.saturating_add(1);
    } else {
        conditions::forget(draft, &id);
    }
    app.wanted = wanted;
    app.changed = draft.height;
    draft.store.put::<Apps>(&id, &app);
    draft.touched = true;
    draft.emit(Event::AppStateChanged { app: id, wanted });
}

/// Lets every node begin an application that shall run anew.
///
/// # Errors
/// [`Rejection`] when the signer may not publish, or the application is unknown or shall not
/// run.
pub fn restart(draft: &mut Draft<'_>, signer: &PublicKey, id: &AppId) -> Result<(), Rejection> {
    values::publisher(draft, signer, "restart applications")?;
    let mut app = found(draft, id)?;
    if app.wanted != AppState::Running {
        return Err(refused(id, "is not running; `trustmesh app start` starts it"));
    }
    app.generation = app.generation.saturating_add(1);
    app.changed = draft.height;
    draft.store.put::<Apps>(id, &app);
    draft.emit(Event::AppRestarted { app: id.clone() });
    Ok(())
}

/// Stops what a key has published: it may not publish any more.
pub(crate) fn stop_published_by(draft: &mut Draft<'_>, publisher: &PublicKey) {
    let theirs = |app: &AppRecord| {
        app.publisher == *publisher && matches!(app.wanted, AppState::Running | AppState::Deployed)
    };
    let apps: Vec<AppRecord> =
        draft.store.iter::<Apps>().map(|(_, app)| app).filter(theirs).collect();
    for app in apps {
        put(draft, app, AppState::Stopped);
    }
}
