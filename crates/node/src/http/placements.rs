//! Placements: why this node put a request's tasks where it did.

use super::{app::Shared, extract::Segment, refusal::Refusal, requests};
use crate::driver::placements;
use axum::{Json, extract::State};
use trustmesh_api::{ErrorCode, Placements, Problem, RequestView};
use trustmesh_types::{PublicKey, RequestId};

/// What this node planned for a request; the others say who did.
pub(super) async fn placement(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<Placements>, Refusal> {
    let id: RequestId = segment.read("the request's id")?;
    let found =
        requests::find(&http, &id)?.ok_or_else(|| Refusal::missing(format!("request {id}")))?;
    let here = http.app.node;
    let mut kept = placements::of(&http.app.store, &id)?;
    if kept.is_empty() {
        return Err(nothing(&requests::view(&http, found)?, &here));
    }
    for placement in &mut kept {
        let plan = found.record.plan.as_ref();
        placement.confirmed = plan.is_some_and(|plan| placement.is(plan, &here));
    }
    Ok(Json(Placements { request: id, planner: here, placements: kept }))
}

/// Where to ask instead, as far as the ledger knows.
fn nothing(view: &RequestView, here: &PublicKey) -> Refusal {
    let id = view.id;
    match view.planner() {
        Some(planner) if planner != *here => {
            let detail = format!("this node did not plan request {id}: ask node {planner}");
            Problem::not_a_holder(detail, &[planner]).into()
        }
        Some(_) => {
            let detail = format!(
                "this node does not know why it placed request {id} as it did: the reasons are \
                 kept as long as the request's outputs"
            );
            Refusal::new(ErrorCode::NotFound, detail)
        }
        None => Refusal::new(ErrorCode::NotFound, format!("nobody has planned request {id} yet")),
    }
}
