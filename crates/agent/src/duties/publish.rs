//! A publisher's artifact: kept by f+1 validators, whose receipts the deployment carries
//! (PROTOCOL §7).

use crate::{
    Answer, Bytes, Effect, Ticket,
    agenda::{BlobKey, Matter},
    core::Core,
    duties::receipts,
    limits,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest,
    limits::ARTIFACT_BYTES_MAX,
    reject::{RejectCode, Rejection},
};

#[derive(Debug, Clone)]
struct Publish {
    tickets: Vec<Ticket>,
    over_ms: u64,
}

/// Artifacts being published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Publishes {
    open: BTreeMap<Digest, Publish>,
}

const fn key(digest: Digest) -> BlobKey {
    BlobKey { subject: digest, digest }
}

/// An artifact came: its contents, its bytes, a repository that has it, too.
pub(crate) fn begin(
    core: &mut Core,
    publishes: &mut Publishes,
    ticket: Ticket,
    (digest, bytes, registry): (Digest, u64, Option<String>),
) {
    if bytes == 0 || bytes > ARTIFACT_BYTES_MAX {
        let why = format!(
            "the artifact has {bytes} bytes; an artifact has 1 to {ARTIFACT_BYTES_MAX} bytes"
        );
        let refused = Rejection::new(RejectCode::InvalidValue, why);
        core.out.push(Effect::Reply { ticket, answer: Answer::Refused(refused) });
        return;
    }
    if let Some(open) = publishes.open.get_mut(&digest)
        && open.tickets.len() < limits::TICKETS_MAX
    {
        open.tickets.push(ticket);
        return;
    }
    if publishes.open.contains_key(&digest) || publishes.open.len() >= limits::PUBLISHES_MAX {
        let why = "this node is publishing other artifacts; try again in a minute".to_owned();
        core.out.push(Effect::Reply { ticket, answer: Answer::Unavailable(why) });
        return;
    }
    // Larger artifacts take longer to reach the validators.
    let patience_ms =
        limits::SUBMIT_MS_MAX.saturating_add(bytes / limits::ARTIFACT_BYTES_PER_MS_MIN);
    let over_ms = core.now_ms.saturating_add(patience_ms);
    publishes.open.insert(digest, Publish { tickets: vec![ticket], over_ms });
    let matter = Matter::Publish(digest);
    core.later(matter.clone(), over_ms);
    let parcel = receipts::Parcel::Artifact { bytes, registry };
    receipts::start(core, key(digest), parcel, Bytes::from([]), matter, (true, None));
}

/// Goes on with an artifact.
pub(crate) fn tick(core: &mut Core, publishes: &mut Publishes, digest: Digest) {
    let Some(open) = publishes.open.get(&digest) else { return };
    let gather = core.gathers.get(&key(digest));
    let answer = if let Some(receipts) = receipts::complete(core, &key(digest)) {
        Answer::Published(receipts)
    } else if let Some(reason) = gather.and_then(|g| g.own_trouble.clone()) {
        Answer::Unavailable(format!("this node could not keep the artifact: {reason}"))
    } else if core.now_ms >= open.over_ms {
        let trouble = gather.and_then(|g| g.trouble.clone());
        Answer::Unavailable(format!(
            "the artifact is not kept by enough validators: {}",
            trouble.unwrap_or_else(|| "too few validators answered".to_owned())
        ))
    } else {
        let at_ms = open.over_ms;
        return core.later(Matter::Publish(digest), at_ms);
    };
    let tickets = publishes.open.remove(&digest).map(|p| p.tickets).unwrap_or_default();
    for ticket in tickets {
        core.out.push(Effect::Reply { ticket, answer: answer.clone() });
    }
    receipts::forget(core, &key(digest));
    core.agenda.clear(&Matter::Publish(digest));
}
