//! Phase 1: a request comes onto the ledger (PROTOCOL §4); and cancelling.
//!
//! What is accepted was signed by a registered device for this network, asks for a
//! workflow that can run, and has its input held by f+1 validators, so that it survives
//! the loss of any f nodes (S8). The digest of its body is its id; the record stays at
//! least until its deadline, after which it would be refused anyway: no replay.

use super::{deadlines, designation, lifecycle};
use crate::{
    contracts::{storage, values},
    machine::Draft,
    tables::{Apps, Members, Requests, Workflows, deadline},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey, RequestId,
    events::Event,
    limits,
    records::{AppState, Member, RequestRecord, Status, WorkflowRecord},
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody, Submission},
};

/// Accepts a request that an entry node brings, and designates a planner.
///
/// # Errors
/// [`Rejection`] when the signer is no node; the body is for another network, over a limit,
/// past its deadline, known already, of a device or workflow that may not; the device's
/// signature is bad; or fewer than f+1 validators hold the input.
pub fn submit(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    submission: &Submission,
) -> Result<(), Rejection> {
    values::node(draft, signer, "bring requests; a device hands them to a node")?;
    let body = &submission.body;
    let id = body.id();
    check_body(draft, body)?;
    if draft.store.contains::<Requests>(&id) {
        let reason = format!("request {id} is on the ledger; a new one needs another nonce");
        return Err(Rejection::new(RejectCode::RequestExists, reason));
    }
    let device = check_device(draft, body)?;
    if !draft.proven.check(&body.claim(&submission.signature)) {
        let reason = format!("device {} did not sign request {id}", body.device.short());
        return Err(Rejection::new(RejectCode::BadSignature, reason));
    }
    check_workflow(draft, body)?;
    let input_holders =
        storage::check_receipts(draft, id.0, body.input, body.input_bytes, &submission.receipts)?;
    draft.store.put::<Members>(&body.device, &device);
    let mut record = RequestRecord {
        id,
        body: body.clone(),
        entry: *signer,
        input_holders,
        accepted_height: draft.height,
        accepted_ms: draft.timestamp_ms,
        status: Status::Requested,
        designation: 0,
        designated: None,
        in_vain: Vec::new(),
        waiting: None,
        queued_ms: None,
        barred: Vec::new(),
        attempts: 0,
        plan: None,
        done: BTreeMap::new(),
        completions: Vec::new(),
        result_receipts: Vec::new(),
        reason: None,
        ended_ms: 0,
        changed: draft.height,
    };
    draft.emit(Event::RequestAccepted { request: id });
    deadlines::arm(draft, body.deadline_ms, deadline::REQUEST, &id, 0);
    let candidates = designation::candidates(draft);
    designation::designate_next(draft, &mut record, None, &candidates);
    lifecycle::save(draft, record);
    Ok(())
}

fn check_body(draft: &Draft<'_>, body: &RequestBody) -> Result<(), Rejection> {
    let invalid = |reason| Err(Rejection::new(RejectCode::InvalidValue, reason));
    if body.network != draft.network {
        return invalid(format!(
            "the request is signed for network {}, this is network {}",
            body.network, draft.network
        ));
    }
    if body.input_bytes > limits::INPUT_BYTES_MAX {
        return invalid(format!(
            "the input has {} bytes, at most {} are allowed",
            body.input_bytes,
            limits::INPUT_BYTES_MAX
        ));
    }
    match &body.endpoint {
        Endpoint::Push(address) if address.len() > limits::TEXT_BYTES_MAX => {
            return invalid(format!(
                "the endpoint has {} bytes, at most {} are allowed",
                address.len(),
                limits::TEXT_BYTES_MAX
            ));
        }
        Endpoint::Push(_) | Endpoint::Pull => {}
    }
    let (now_ms, lifetime_ms) = (draft.timestamp_ms, draft.parameters.request_lifetime_ms_max);
    body.check_deadline(now_ms, lifetime_ms, 0)
        .map_err(|reason| Rejection::new(RejectCode::BadDeadline, reason))?;
    Ok(())
}

/// The device as it is with this request.
fn check_device(draft: &Draft<'_>, body: &RequestBody) -> Result<Member, Rejection> {
    let Some(Member::Device { name, revoked: false, open_requests, .. }) =
        draft.store.get::<Members>(&body.device)
    else {
        let reason = format!(
            "device {} is not registered, or was revoked; ask an operator",
            body.device.short()
        );
        return Err(Rejection::new(RejectCode::UnknownDevice, reason));
    };
    let max = draft.parameters.open_requests_per_device_max;
    if open_requests >= max {
        let reason = format!(
            "device {} has {open_requests} open requests, at most {max} are allowed: wait for \
             one to end",
            body.device.short()
        );
        return Err(Rejection::new(RejectCode::TooManyRequests, reason));
    }
    let open_requests = open_requests.saturating_add(1);
    Ok(Member::Device { name, revoked: false, open_requests, changed: draft.height })
}

fn check_workflow(draft: &Draft<'_>, body: &RequestBody) -> Result<(), Rejection> {
    let id = &body.workflow;
    let Some(WorkflowRecord { workflow, retired, .. }) = draft.store.get::<Workflows>(id) else {
        let reason = format!("workflow {id} is not on the ledger; see `trustmesh workflow list`");
        return Err(Rejection::new(RejectCode::UnknownWorkflow, reason));
    };
    if retired {
        let reason = format!("workflow {id} is retired and takes no new requests");
        return Err(Rejection::new(RejectCode::WorkflowRetired, reason));
    }
    for task in &workflow.tasks {
        let (code, what) = match draft.store.get::<Apps>(&task.app) {
            None => (RejectCode::UnknownApp, "is not on the ledger"),
            Some(app) if app.wanted == AppState::Removed => (RejectCode::AppState, "was removed"),
            Some(_) => continue,
        };
        let reason = format!(
            "application {} of task {} {what}; see `trustmesh app list`",
            task.app, task.id
        );
        return Err(Rejection::new(code, reason));
    }
    Ok(())
}

/// Ends a request early, for its device or an operator.
///
/// # Errors
/// [`Rejection`] when the request is unknown or has ended, or the signer may not.
pub fn cancel(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    request: &RequestId,
) -> Result<(), Rejection> {
    let record = lifecycle::load(draft, request)?;
    let by = match draft.store.get::<Members>(signer) {
        Some(Member::Operator { .. }) => "an operator",
        _ if record.body.device == *signer => "its device",
        _ => {
            let reason = format!("only its device or an operator may cancel request {request}");
            return Err(Rejection::new(RejectCode::WrongRole, reason));
        }
    };
    lifecycle::still_open(&record)?;
    lifecycle::end(draft, record, Status::Cancelled, Some(format!("cancelled by {by}")));
    Ok(())
}
