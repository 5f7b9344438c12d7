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

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_api::EventView;
    use trustmesh_types::{
        Digest, NetworkId, WorkflowId,
        events::Event,
        records::{Designation, Status},
        request::{Endpoint, RequestBody},
    };

    fn key(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    fn view() -> RequestView {
        let zero = Digest::default();
        let body = RequestBody {
            network: NetworkId(zero),
            device: key(9),
            nonce: 1,
            workflow: WorkflowId::new("w").unwrap(),
            input: zero,
            input_bytes: 1,
            result_key: zero,
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: 1,
        };
        RequestView {
            id: body.id(),
            status: Status::Requested,
            body,
            entry: key(1),
            input_holders: Vec::new(),
            accepted_height: 1,
            accepted_ms: 1,
            ended_ms: 0,
            designation: 0,
            designated: None,
            waiting: None,
            queued_ms: None,
            reason: None,
            attempts: 0,
            barred: Vec::new(),
            plan: None,
            tasks: Vec::new(),
            recorded: Vec::new(),
            completions: Vec::new(),
            result_holders: Vec::new(),
            history: Vec::new(),
        }
    }

    #[test]
    fn a_node_that_did_not_plan_says_who_did() {
        let mut view = view();
        let code = |view: &RequestView, here: u8| nothing(view, &key(here)).0.code;
        assert_eq!(code(&view, 1), ErrorCode::NotFound, "nobody planned");
        let node = key(2);
        view.designated =
            Some(Designation { node, height: 1, since_ms: 1, due_ms: 0, rejections: 0 });
        assert_eq!(nothing(&view, &key(1)).0.holders(), [key(2)]);
        let (request, reason) = (view.id, "it declined".to_owned());
        let event = Event::DesignationEnded { request, designation: 1, node: key(3), reason };
        view.history.push(EventView { height: 2, timestamp_ms: 2, event });
        let refusal = nothing(&view, &key(1)).0;
        assert_eq!((refusal.code, refusal.holders()), (ErrorCode::NotAHolder, vec![key(3)]));
        assert!(refusal.detail.contains(&key(3).to_string()), "{refusal}");
        assert_eq!(code(&view, 3), ErrorCode::NotFound, "it has forgotten");
    }
}
