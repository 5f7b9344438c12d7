//! Keeping inputs, outputs and artifacts for others, and signing for them once they are
//! durable (PROTOCOL §4; §7). Only validators sign.
//!
//! The checks are those of the ledger's contracts as far as this node's state knows them, so
//! that nobody fills a validator's disk with what the ledger would refuse; and each device's
//! and node's open bytes are bounded.

use crate::{
    BlobKind, Effect,
    agenda::{BlobKey, Matter},
    core::{Core, Waiter, cut},
    duties::{
        apps, fetch,
        obtain::{self, Standing, Wanted},
        receipts,
    },
    limits,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, PublicKey, RequestId, Signature,
    evidence::SignedCompletion,
    limits::{ARTIFACT_BYTES_MAX, INPUT_BYTES_MAX, OUTPUT_BYTES_MAX, TEXT_BYTES_MAX},
    message::Message,
    mutants::{Mutant, mutated},
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody},
};

/// What is kept.
#[derive(Debug, Clone)]
enum What {
    /// An input or an output.
    Blob(BlobKind),
    /// An artifact, and a repository that has it, too.
    Artifact(Option<String>),
}

#[derive(Debug, Clone)]
struct Kept {
    owner: PublicKey,
    what: What,
    until_ms: u64,
    storing: bool,
    durable: bool,
    askers: Vec<PublicKey>,
}

/// What this node keeps for others, while it counts against a bound; by key and the length
/// that was named, so that nobody stands in the way with a wrong one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeps {
    open: BTreeMap<(BlobKey, u64), Kept>,
    by_owner: BTreeMap<PublicKey, u64>,
}

impl Keeps {
    /// The lengths that were named for a blob.
    fn lengths(&self, key: &BlobKey) -> Vec<u64> {
        self.open.range((*key, 0)..=(*key, u64::MAX)).map(|((_, bytes), _)| *bytes).collect()
    }
}

/// Form, network and signature of a request.
pub(crate) fn form(
    core: &Core,
    body: &RequestBody,
    signature: &Signature,
) -> Result<(), Rejection> {
    let invalid = |why: String| Err(Rejection::new(RejectCode::InvalidValue, why));
    if body.network != core.network {
        return invalid(format!(
            "the request is for network {}, this is {}: use this network's genesis",
            body.network.short(),
            core.network.short()
        ));
    }
    if body.input_bytes == 0 || body.input_bytes > INPUT_BYTES_MAX {
        return invalid(format!(
            "the input has {} bytes; 1 to {INPUT_BYTES_MAX} are allowed",
            body.input_bytes
        ));
    }
    if matches!(&body.endpoint, Endpoint::Push(to) if to.len() > TEXT_BYTES_MAX) {
        return invalid(format!("the endpoint is longer than {TEXT_BYTES_MAX} bytes"));
    }
    if body.verify(signature).is_err() {
        return Err(Rejection::new(
            RejectCode::BadSignature,
            "the device's signature over the request does not verify",
        ));
    }
    Ok(())
}

/// Whether the ledger would take a request now.
pub(crate) fn current(core: &Core, body: &RequestBody) -> Result<(), Rejection> {
    let refuse = |code, why: String| Err(Rejection::new(code, why));
    let parameters = core.state.parameters();
    match core.state.device(&body.device).filter(|d| !d.revoked) {
        None => {
            return refuse(
                RejectCode::UnknownDevice,
                format!("device {} is not registered; ask an operator to register it", body.device),
            );
        }
        Some(device) if device.open_requests >= parameters.open_requests_per_device_max => {
            return refuse(
                RejectCode::TooManyRequests,
                format!(
                    "device {} has {} open requests, at most {} are allowed; wait for one to end",
                    body.device.short(),
                    device.open_requests,
                    parameters.open_requests_per_device_max
                ),
            );
        }
        Some(_) => {}
    }
    match core.state.workflow(&body.workflow) {
        None => {
            return refuse(
                RejectCode::UnknownWorkflow,
                format!("there is no workflow {}", body.workflow),
            );
        }
        Some(record) if record.retired => {
            return refuse(
                RejectCode::WorkflowRetired,
                format!("workflow {} is retired and takes no new requests", body.workflow),
            );
        }
        Some(_) => {}
    }
    let from_ms = core.state.timestamp_ms().max(core.now_ms);
    let lifetime_ms = parameters.request_lifetime_ms_max;
    body.check_deadline(from_ms, lifetime_ms, limits::CLOCK_SKEW_MS)
        .or_else(|reason| refuse(RejectCode::BadDeadline, reason))
}

fn decline(core: &mut Core, to: PublicKey, key: BlobKey, reason: String) {
    core.send(to, Message::NotStored { subject: key.subject, digest: key.digest, reason });
}

/// "Keep this request's input and sign for it."
pub(crate) fn input(
    core: &mut Core,
    keeps: &mut Keeps,
    from: PublicKey,
    (body, signature): (&RequestBody, &Signature),
    data: Option<Vec<u8>>,
) {
    if !core.is_validator() {
        return;
    }
    let id = body.id();
    let key = BlobKey { subject: id.0, digest: body.input };
    let known = core.state.request(&id).is_some_and(|r| !r.status.ended());
    let checked =
        form(core, body, signature).and_then(|()| if known { Ok(()) } else { current(core, body) });
    if let Err(refused) = checked {
        return decline(core, from, key, refused.reason);
    }
    let until_ms = core.kept_until_ms(body);
    let what = (body.device, What::Blob(BlobKind::Input), body.input_bytes, until_ms);
    keep(core, keeps, from, key, what, data);
}

/// "Keep this task's output and sign for it."
pub(crate) fn output(
    core: &mut Core,
    keeps: &mut Keeps,
    from: PublicKey,
    signed: &SignedCompletion,
    data: Option<Vec<u8>>,
) {
    if !core.is_validator() {
        return;
    }
    let completion = &signed.completion;
    let key = BlobKey { subject: completion.request.0, digest: completion.output };
    let until_ms = match output_until(core, signed) {
        Ok(until_ms) => until_ms,
        Err(reason) => return decline(core, from, key, reason),
    };
    let what = (completion.node, What::Blob(BlobKind::Output), completion.output_bytes, until_ms);
    keep(core, keeps, from, key, what, data);
}

/// Until when an output is kept, or why not. The request may be ahead of this node's state.
fn output_until(core: &Core, signed: &SignedCompletion) -> Result<u64, String> {
    let completion = &signed.completion;
    if completion.output_bytes == 0 || completion.output_bytes > OUTPUT_BYTES_MAX {
        return Err(format!(
            "the output has {} bytes; an output has 1 to {OUTPUT_BYTES_MAX} bytes",
            completion.output_bytes
        ));
    }
    if !core.is_node(&completion.node) {
        return Err(format!("{} is no node of this network", completion.node.short()));
    }
    if signed.verify(&core.network).is_err() {
        return Err("the completion's signature does not verify".to_owned());
    }
    let Some(record) = core.state.request(&completion.request) else {
        let lifetime_ms = core.state.parameters().request_lifetime_ms_max;
        return Ok(core.now_ms.saturating_add(lifetime_ms));
    };
    if record.status.ended() {
        return Err("the request has ended".to_owned());
    }
    let plan = record.plan.as_ref().filter(|p| p.designation == completion.designation);
    let assigned = plan.and_then(|p| p.assignments.iter().find(|a| a.task == completion.task));
    if assigned.is_some_and(|a| !a.nodes.contains(&completion.node)) {
        return Err(format!("the plan has task {} at another node", completion.task));
    }
    Ok(core.kept_until_ms(&record.body))
}

/// "Keep this artifact and sign for it."
pub(crate) fn artifact(
    core: &mut Core,
    keeps: &mut Keeps,
    from: PublicKey,
    (contents, bytes, registry): (Digest, u64, Option<String>),
) {
    if !core.is_validator() {
        return;
    }
    let key = BlobKey { subject: contents, digest: contents };
    if bytes == 0 || bytes > ARTIFACT_BYTES_MAX {
        let why = format!(
            "the artifact has {bytes} bytes; an artifact has 1 to {ARTIFACT_BYTES_MAX} bytes"
        );
        return decline(core, from, key, why);
    }
    let until_ms = core.now_ms.saturating_add(limits::PUBLISHED_KEPT_MS);
    let registry = registry.map(|text| cut(&text, TEXT_BYTES_MAX));
    keep(core, keeps, from, key, (from, What::Artifact(registry), bytes, until_ms), None);
}

fn keep(
    core: &mut Core,
    keeps: &mut Keeps,
    from: PublicKey,
    key: BlobKey,
    (owner, what, bytes, until_ms): (PublicKey, What, u64, u64),
    data: Option<Vec<u8>>,
) {
    if let Some(kept) = keeps.open.get_mut(&(key, bytes)) {
        if kept.durable && matches!(kept.what, What::Artifact(_)) {
            // What nobody deployed goes after a while: this asks whether it is still here.
            (kept.durable, kept.storing) = (false, false);
            obtain::gone(core, key.digest);
        }
        if kept.durable {
            let receipt = receipts::sign(core, &key, bytes);
            return core.send(from, Message::Stored(receipt));
        }
        if !kept.askers.contains(&from) && kept.askers.len() < limits::SOURCES_MAX {
            kept.askers.push(from);
        }
    } else {
        let most = match what {
            What::Artifact(_) => limits::KEPT_ARTIFACT_BYTES_PER_NODE_MAX,
            What::Blob(_) => limits::KEPT_BYTES_PER_OWNER_MAX,
        };
        let of_owner = |keeps: &Keeps| keeps.by_owner.get(&owner).copied().unwrap_or(0);
        let full = of_owner(keeps).saturating_add(bytes) > most;
        if full || keeps.open.len() >= limits::KEPT_MAX / 2 {
            sweep(core, keeps);
        }
        let held = of_owner(keeps);
        if keeps.open.len() >= limits::KEPT_MAX {
            let why = "this validator keeps too many open blobs already";
            return decline(core, from, key, why.to_owned());
        }
        if held.saturating_add(bytes) > most {
            let why = format!("{} has {held} bytes in open blobs kept here already", owner.short());
            return decline(core, from, key, why);
        }
        keeps.by_owner.insert(owner, held.saturating_add(bytes));
        if matches!(what, What::Artifact(_)) {
            // What was held once may have gone since: the driver looks.
            obtain::gone(core, key.digest);
        }
        let askers = vec![from];
        let kept = Kept { owner, what, until_ms, storing: false, durable: false, askers };
        keeps.open.insert((key, bytes), kept);
    }
    if let Some(data) = data {
        if data.len() as u64 != bytes || Digest::of(&data) != key.digest {
            let name = core.name(&from);
            core.note(
                true,
                None,
                format!("{name} asked to keep bytes that do not fit their digest"),
            );
            let why = "the bytes do not fit their digest and length";
            return decline(core, from, key, why.to_owned());
        }
        fetch::here(core, key.digest, data.into());
    }
    tick(core, keeps, key);
}

/// Stores what is here, fetches what is not.
pub(crate) fn tick(core: &mut Core, keeps: &mut Keeps, key: BlobKey) {
    for bytes in keeps.lengths(&key) {
        let Some(kept) = keeps.open.get(&(key, bytes)) else { continue };
        if kept.durable || kept.storing {
            continue;
        }
        let matter = Matter::Keep(key);
        let kind = match &kept.what {
            What::Blob(kind) => *kind,
            What::Artifact(registry) => {
                let (sources, registry) = (kept.askers.clone(), registry.clone());
                obtain_artifact(core, keeps, (key, bytes), (sources, registry));
                continue;
            }
        };
        let Some(data) = fetch::want(core, key.digest, bytes, &kept.askers, &matter) else {
            continue;
        };
        if data.len() as u64 != bytes {
            for asker in release(keeps, &(key, bytes)) {
                decline(core, asker, key, "the length is not that of these bytes".to_owned());
            }
            continue;
        }
        let until_ms = kept.until_ms;
        if let Some(kept) = keeps.open.get_mut(&(key, bytes)) {
            kept.storing = true;
        }
        core.store(key.digest, data, kind, until_ms, Waiter::Keep(key));
        if mutated(Mutant::ReceiptEarly) {
            stored(core, keeps, key, Ok(()));
        }
    }
}

/// Signs for an artifact once all of it is held, for whoever asked; gives up when it can't be
/// had.
fn obtain_artifact(
    core: &mut Core,
    keeps: &mut Keeps,
    (key, bytes): (BlobKey, u64),
    (sources, registry): (Vec<PublicKey>, Option<String>),
) {
    let wanted = Wanted { part: (key.digest, true), bytes, sources, registry };
    match obtain::want(core, wanted, &Matter::Keep(key)) {
        Standing::Coming => {}
        Standing::Held(note) => {
            if let Some(note) = note {
                core.note(true, None, format!("artifact {}: {note}", key.digest.short()));
            }
            if let Some(kept) = keeps.open.get_mut(&(key, bytes)) {
                kept.storing = true;
            }
            stored(core, keeps, key, Ok(()));
        }
        Standing::Failing(why) => {
            for asker in release(keeps, &(key, bytes)) {
                decline(core, asker, key, why.clone());
            }
            obtain::unwant(core, &Matter::Keep(key));
            if keeps.lengths(&key).is_empty() && !apps::is_used(core, key.digest) {
                // Room that was made for it is for others.
                core.out.push(Effect::Discard { contents: key.digest });
            }
        }
    }
}

fn release(keeps: &mut Keeps, (key, bytes): &(BlobKey, u64)) -> Vec<PublicKey> {
    let Some(kept) = keeps.open.remove(&(*key, *bytes)) else { return Vec::new() };
    if let Some(held) = keeps.by_owner.get_mut(&kept.owner) {
        *held = held.saturating_sub(*bytes);
        if *held == 0 {
            keeps.by_owner.remove(&kept.owner);
        }
    }
    kept.askers
}

/// Bytes kept for another node are durable, or not. Only the true length is ever stored.
pub(crate) fn stored(core: &mut Core, keeps: &mut Keeps, key: BlobKey, result: Result<(), String>) {
    let stored = |bytes: &u64| keeps.open.get(&(key, *bytes)).is_some_and(|kept| kept.storing);
    let Some(bytes) = keeps.lengths(&key).into_iter().find(stored) else { return };
    match result {
        Ok(()) => {
            let Some(kept) = keeps.open.get_mut(&(key, bytes)) else { return };
            kept.durable = true;
            let askers = std::mem::take(&mut kept.askers);
            let receipt = receipts::sign(core, &key, bytes);
            for asker in askers {
                core.send(asker, Message::Stored(receipt.clone()));
            }
        }
        Err(reason) => {
            core.note(true, None, format!("blob {} could not be kept: {reason}", key.digest));
            for asker in release(keeps, &(key, bytes)) {
                decline(core, asker, key, "the node could not keep the bytes".to_owned());
            }
        }
    }
}

/// What was kept for a request no longer counts against its owner: it has ended.
pub(crate) fn ended(core: &mut Core, keeps: &mut Keeps, request: &RequestId) {
    let from = BlobKey { subject: request.0, digest: Digest([0; 32]) };
    let after = keeps.open.range((from, 0)..).map(|(at, _)| *at);
    let of_request: Vec<_> = after.take_while(|(key, _)| key.subject == request.0).collect();
    for at in of_request {
        release(keeps, &at);
        fetch::unwant(core, &Matter::Keep(at.0));
    }
}

/// A deployed artifact no longer counts against who published it: the ledger bounds it.
pub(crate) fn deployed(core: &mut Core, keeps: &mut Keeps, artifact: Digest) {
    let key = BlobKey { subject: artifact, digest: artifact };
    for bytes in keeps.lengths(&key) {
        release(keeps, &(key, bytes));
    }
    obtain::unwant(core, &Matter::Keep(key));
}

/// Drops what outlived its time; when room is short.
fn sweep(core: &mut Core, keeps: &mut Keeps) {
    let over: Vec<(BlobKey, u64)> = keeps
        .open
        .iter()
        .filter(|(_, kept)| kept.until_ms <= core.now_ms)
        .map(|(at, _)| *at)
        .collect();
    for at in over {
        release(keeps, &at);
        if !keeps.lengths(&at.0).is_empty() {
            continue;
        }
        fetch::unwant(core, &Matter::Keep(at.0));
        obtain::unwant(core, &Matter::Keep(at.0));
        let contents = at.0.digest;
        if contents == at.0.subject && !apps::is_used(core, contents) {
            obtain::gone(core, contents);
            core.out.push(Effect::Discard { contents });
        }
    }
}
