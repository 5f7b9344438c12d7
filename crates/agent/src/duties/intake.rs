//! Requests that devices bring: checked, kept by f+1 validators, brought to the ledger
//! (PROTOCOL §4, phase 1).
//!
//! A request brought twice, here or elsewhere, counts once: whoever waits for it gets the
//! same answer.

use crate::{
    Answer, Bytes, Effect, Ticket,
    agenda::{BlobKey, Matter, Retry},
    core::Core,
    duties::{keep, receipts},
    limits,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, Payload, RequestId, Signature, canonical,
    reject::{RejectCode, Rejection},
    request::{RequestBody, Submission},
};

#[derive(Debug, Clone)]
struct Intake {
    body: RequestBody,
    signature: Signature,
    tickets: Vec<Ticket>,
    over_ms: u64,
    transact: Retry,
    refused: Option<Rejection>,
}

/// Requests on their way to the ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intakes {
    open: BTreeMap<RequestId, Intake>,
}

fn reply(core: &mut Core, ticket: Ticket, answer: Answer) {
    core.out.push(Effect::Reply { ticket, answer });
}

/// A device's request came.
pub(crate) fn submit(
    core: &mut Core,
    intakes: &mut Intakes,
    ticket: Ticket,
    (body, signature): (RequestBody, Signature),
    data: Bytes,
) {
    let id = body.id();
    if let Err(refused) = check(core, &body, &signature, &data) {
        return reply(core, ticket, Answer::Refused(refused));
    }
    if core.state.request(&id).is_some() {
        return reply(core, ticket, Answer::Accepted(id));
    }
    if let Err(refused) = keep::current(core, &body) {
        return reply(core, ticket, Answer::Refused(refused));
    }
    if let Some(intake) = intakes.open.get_mut(&id) {
        if intake.tickets.len() < limits::TICKETS_MAX {
            intake.tickets.push(ticket);
            return;
        }
        let why = "too many clients wait for this request; ask for its state instead";
        return reply(core, ticket, Answer::Unavailable(why.to_owned()));
    }
    if intakes.open.len() >= limits::INTAKES_MAX {
        let why = "this node has too many requests on their way to the ledger; try again soon \
                   or at another node";
        return reply(core, ticket, Answer::Unavailable(why.to_owned()));
    }
    let over_ms = core.now_ms.saturating_add(limits::SUBMIT_MS_MAX);
    let key = BlobKey { subject: id.0, digest: body.input };
    let parcel = receipts::Parcel::Input(Box::new(body.clone()), signature);
    let intake = Intake {
        body,
        signature,
        tickets: vec![ticket],
        over_ms,
        transact: Retry::default(),
        refused: None,
    };
    intakes.open.insert(id, intake);
    core.later(Matter::Intake(id), over_ms);
    receipts::start(core, key, parcel, data, Matter::Intake(id), (false, None));
}

/// What never changes about a request: its own form, its device's signature, its bytes.
fn check(
    core: &Core,
    body: &RequestBody,
    signature: &Signature,
    data: &[u8],
) -> Result<(), Rejection> {
    let invalid = |why: String| Err(Rejection::new(RejectCode::InvalidValue, why));
    keep::form(core, body, signature)?;
    if data.len() as u64 != body.input_bytes {
        return invalid(format!(
            "the input has {} bytes, not {} that the device signed for",
            data.len(),
            body.input_bytes
        ));
    }
    let value: serde_json::Value = match serde_json::from_slice(data) {
        Ok(value) => value,
        Err(e) => return invalid(format!("the input is no JSON: {e}")),
    };
    if canonical::to_canonical(&value).ok().as_deref() != Some(data) {
        return invalid("the input is not in canonical JSON (RFC 8785)".to_owned());
    }
    let digest = Digest::of(data);
    if digest != body.input {
        return invalid(format!(
            "the input's bytes with digest {digest} are not the {} that the device signed for",
            body.input
        ));
    }
    Ok(())
}

/// Goes on with a request.
pub(crate) fn tick(core: &mut Core, intakes: &mut Intakes, id: RequestId) {
    let Some(intake) = intakes.open.get_mut(&id) else { return };
    if core.state.request(&id).is_some() {
        return finish(core, intakes, id, &Answer::Accepted(id));
    }
    if let Some(refused) = intake.refused.clone() {
        return finish(core, intakes, id, &Answer::Refused(refused));
    }
    let key = BlobKey { subject: id.0, digest: intake.body.input };
    let gather = core.gathers.get(&key);
    if let Some(reason) = gather.and_then(|g| g.own_trouble.clone()) {
        let why = format!("this node could not keep the input: {reason}");
        return finish(core, intakes, id, &Answer::Unavailable(why));
    }
    if core.now_ms >= intake.over_ms {
        let trouble = gather.and_then(|g| g.trouble.clone());
        let why = format!(
            "the request did not reach the ledger in {} s: {}; send it again, now or through \
             another node: it counts once",
            limits::SUBMIT_MS_MAX / 1_000,
            trouble.unwrap_or_else(|| "too few validators answered".to_owned())
        );
        return finish(core, intakes, id, &Answer::Unavailable(why));
    }
    let mut next_ms = intake.over_ms;
    if let Some(receipts) = receipts::complete(core, &key) {
        if intake.transact.ready(core.now_ms) {
            intake.transact.tried(core.now_ms, limits::TRANSACT_MS);
            core.transact(Payload::SubmitRequest(Submission {
                body: intake.body.clone(),
                signature: intake.signature,
                receipts,
            }));
        }
        next_ms = next_ms.min(intake.transact.next_ms());
    }
    core.later(Matter::Intake(id), next_ms);
}

fn finish(core: &mut Core, intakes: &mut Intakes, id: RequestId, answer: &Answer) {
    let Some(intake) = intakes.open.remove(&id) else { return };
    for ticket in intake.tickets {
        reply(core, ticket, answer.clone());
    }
    receipts::forget(core, &BlobKey { subject: id.0, digest: intake.body.input });
    core.agenda.clear(&Matter::Intake(id));
}

/// The ledger refused the request.
pub(crate) fn refused(
    core: &mut Core,
    intakes: &mut Intakes,
    id: RequestId,
    rejection: &Rejection,
) {
    if let Some(intake) = intakes.open.get_mut(&id) {
        match rejection.code {
            RejectCode::RequestExists => {}
            // Some who signed have left the committee meanwhile: more receipts are on their way.
            RejectCode::TooFewReceipts => {
                let at_ms = core.now_ms.saturating_add(limits::WIDEN_MS);
                intake.transact = Retry::not_before(at_ms);
            }
            _ => intake.refused = Some(rejection.clone()),
        }
        core.poke(Matter::Intake(id));
    }
}

/// The ledger has the request.
pub(crate) fn accepted(core: &mut Core, intakes: &Intakes, id: RequestId) {
    if intakes.open.contains_key(&id) {
        core.poke(Matter::Intake(id));
    }
}
