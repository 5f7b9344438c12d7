//! Blobs: from this node's own store, else piece by piece from nodes that hold them; and
//! serving them to others (PROTOCOL §7).
//!
//! A blob is taken only when all of it fits its digest and a length that was named; a source that sent bytes
//! which do not fit is passed over, and so is one that does not answer. What came before a
//! source fell silent is kept, and the next one goes on from there; if the whole then does
//! not fit, that one is asked for all of it.

use crate::{
    Bytes, Effect,
    agenda::{Matter, Retry},
    core::Core,
    limits,
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Digest, PublicKey,
    limits::{BLOB_MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX},
    message::Message,
    mutants::{Mutant, mutated},
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Loading,
    Asking { since_ms: u64 },
    Resting,
}

#[derive(Debug, Clone)]
struct Fetch {
    /// Lengths that were named for it: one at most is true.
    lengths: BTreeSet<u64>,
    sources: Vec<PublicKey>,
    at: usize,
    stage: Stage,
    held: Vec<u8>,
    /// The length by which pieces are held.
    total: u64,
    from: BTreeSet<PublicKey>,
    rest: Retry,
    wanted_by: BTreeSet<Matter>,
}

/// Blobs under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetches {
    jobs: BTreeMap<Digest, Fetch>,
    loads: BTreeSet<Digest>,
    serves: BTreeMap<Digest, Vec<(PublicKey, u64)>>,
    served: usize,
}

/// A blob of known digest and length: at once when it is in memory; else it is sought here
/// and at `sources`, and `matter` is looked at again when it is here.
pub(crate) fn want(
    core: &mut Core,
    digest: Digest,
    bytes: u64,
    sources: &[PublicKey],
    matter: &Matter,
) -> Option<Bytes> {
    if let Some(data) = core.blobs.get(&digest) {
        return Some(data);
    }
    if bytes == 0 || bytes > OUTPUT_BYTES_MAX {
        return None;
    }
    let me = core.me;
    let sources = sources.iter().filter(|s| **s != me);
    if let Some(job) = core.fetches.jobs.get_mut(&digest) {
        job.wanted_by.insert(matter.clone());
        if job.lengths.len() < limits::SOURCES_MAX {
            job.lengths.insert(bytes);
        }
        let known = job.sources.len();
        for source in sources {
            if !job.sources.contains(source) && job.sources.len() < limits::SOURCES_MAX {
                job.sources.push(*source);
            }
        }
        if known == 0 && !job.sources.is_empty() && job.stage == Stage::Resting {
            core.poke(Matter::Fetch(digest));
        }
        return None;
    }
    if core.fetches.jobs.len() >= limits::FETCHES_MAX {
        core.later(matter.clone(), core.now_ms.saturating_add(limits::FETCH_MS));
        return None;
    }
    let job = Fetch {
        lengths: BTreeSet::from([bytes]),
        sources: sources.copied().take(limits::SOURCES_MAX).collect(),
        at: 0,
        stage: Stage::Loading,
        held: Vec::new(),
        total: 0,
        from: BTreeSet::new(),
        rest: Retry::default(),
        wanted_by: BTreeSet::from([matter.clone()]),
    };
    core.fetches.jobs.insert(digest, job);
    load(core, digest);
    None
}

fn load(core: &mut Core, digest: Digest) {
    if core.fetches.loads.insert(digest) {
        core.out.push(Effect::Load { digest });
    }
}

/// A matter wants no blob any more.
pub(crate) fn unwant(core: &mut Core, matter: &Matter) {
    core.fetches.jobs.retain(|_, job| {
        job.wanted_by.remove(matter);
        !job.wanted_by.is_empty()
    });
}

/// Bytes are here that somebody may want: digest checked by the caller.
pub(crate) fn here(core: &mut Core, digest: Digest, data: Bytes) {
    core.blobs.insert(digest, data);
    if let Some(job) = core.fetches.jobs.remove(&digest) {
        core.agenda.clear(&Matter::Fetch(digest));
        for matter in job.wanted_by {
            core.poke(matter);
        }
    }
}

/// The answer to a load.
pub(crate) fn loaded(core: &mut Core, digest: Digest, data: Option<Bytes>) {
    core.fetches.loads.remove(&digest);
    let waiting = core.fetches.serves.remove(&digest).unwrap_or_default();
    core.fetches.served = core.fetches.served.saturating_sub(waiting.len());
    for (to, offset) in waiting {
        let message =
            data.as_ref().map_or(Message::NoBlob { digest }, |data| piece(digest, data, offset));
        core.send(to, message);
    }
    match data {
        Some(data) => here(core, digest, data),
        None => {
            if let Some(job) = core.fetches.jobs.get_mut(&digest)
                && job.stage == Stage::Loading
            {
                job.stage = Stage::Resting;
                tick(core, digest);
            }
        }
    }
}

/// Goes on with a blob: asks the next source, or the same again.
pub(crate) fn tick(core: &mut Core, digest: Digest) {
    let now_ms = core.now_ms;
    let Some(job) = core.fetches.jobs.get_mut(&digest) else { return };
    match job.stage {
        Stage::Loading => return,
        Stage::Asking { since_ms } => {
            let over_ms = since_ms.saturating_add(limits::FETCH_MS);
            if now_ms < over_ms {
                core.later(Matter::Fetch(digest), over_ms);
                return;
            }
            return next_source(core, digest);
        }
        Stage::Resting if !job.rest.ready(now_ms) => {
            let at_ms = job.rest.next_ms();
            core.later(Matter::Fetch(digest), at_ms);
            return;
        }
        Stage::Resting => {}
    }
    ask(core, digest);
}

fn ask(core: &mut Core, digest: Digest) {
    let now_ms = core.now_ms;
    let Some(job) = core.fetches.jobs.get_mut(&digest) else { return };
    let Some(source) = job.sources.get(job.at).copied() else { return };
    job.stage = Stage::Asking { since_ms: now_ms };
    let offset = job.held.len() as u64;
    core.send(source, Message::AskPiece { digest, offset });
    core.later(Matter::Fetch(digest), now_ms.saturating_add(limits::FETCH_MS));
}

/// Passes over the source asked last; after a round over all of them, rests.
fn next_source(core: &mut Core, digest: Digest) {
    let now_ms = core.now_ms;
    let Some(job) = core.fetches.jobs.get_mut(&digest) else { return };
    job.at = job.at.saturating_add(1);
    if job.at < job.sources.len() {
        return ask(core, digest);
    }
    job.at = 0;
    job.stage = Stage::Resting;
    job.rest.tried(now_ms, (limits::FETCH_MS / 2, limits::FETCH_REST_MS_MAX));
    let at_ms = job.rest.next_ms();
    let wanted_by: Vec<Matter> = job.wanted_by.iter().cloned().collect();
    core.later(Matter::Fetch(digest), at_ms);
    // Whoever wants it may know other sources by now.
    for matter in wanted_by {
        core.later(matter, at_ms);
    }
}

/// The source asked last, when it is `from`.
fn asked(core: &Core, digest: &Digest, from: &PublicKey) -> bool {
    core.fetches.jobs.get(digest).is_some_and(|job| {
        matches!(job.stage, Stage::Asking { .. }) && job.sources.get(job.at) == Some(from)
    })
}

/// A source has no such blob.
pub(crate) fn no_blob(core: &mut Core, from: PublicKey, digest: Digest) {
    if asked(core, &digest, &from) {
        next_source(core, digest);
    }
}

/// A piece came. One that was not asked for, or does not go on where the last one ended, is
/// dropped.
pub(crate) fn receive(
    core: &mut Core,
    from: PublicKey,
    digest: Digest,
    (total, offset): (u64, u64),
    bytes: &[u8],
) {
    if !asked(core, &digest, &from) {
        return;
    }
    let Some(job) = core.fetches.jobs.get_mut(&digest) else { return };
    let held = job.held.len() as u64;
    if offset < held {
        return;
    }
    // The pieces held are by a length that this source does not know: one of both is wrong.
    if held > 0 && total != job.total && job.lengths.contains(&total) && !job.from.contains(&from) {
        job.held.clear();
        job.from.clear();
        return ask(core, digest);
    }
    let after = held.saturating_add(bytes.len() as u64);
    let fits = bytes.len() <= BLOB_MESSAGE_BYTES_MAX && !bytes.is_empty();
    let named = if held > 0 { total == job.total } else { job.lengths.contains(&total) };
    if !named || offset != held || !fits || after > total {
        let name = core.name(&from);
        core.note(true, None, format!("{name} sent a piece that does not fit blob {digest}"));
        return next_source(core, digest);
    }
    job.held.extend_from_slice(bytes);
    job.total = total;
    job.from.insert(from);
    if after < total {
        return ask(core, digest);
    }
    let data = std::mem::take(&mut job.held);
    let sources = std::mem::take(&mut job.from);
    if Digest::of(&data) == digest || mutated(Mutant::BlobUnchecked) {
        return here(core, digest, data.into());
    }
    let others = if sources.len() > 1 { " and others" } else { "" };
    let name = core.name(&from);
    core.note(
        true,
        None,
        format!("blob {digest} from {name}{others} does not fit its digest: fetching it again"),
    );
    // The last of several need not be the liar: it is asked for all of it.
    if sources.len() > 1 {
        return ask(core, digest);
    }
    next_source(core, digest);
}

/// Another node asks for a piece.
pub(crate) fn serve(core: &mut Core, to: PublicKey, digest: Digest, offset: u64) {
    if let Some(data) = core.blobs.get(&digest) {
        let message = piece(digest, &data, offset);
        return core.send(to, message);
    }
    if core.fetches.served >= limits::SERVES_MAX {
        return;
    }
    let waiting = core.fetches.serves.entry(digest).or_default();
    if !waiting.contains(&(to, offset)) {
        waiting.push((to, offset));
        core.fetches.served = core.fetches.served.saturating_add(1);
    }
    load(core, digest);
}

fn piece(digest: Digest, data: &[u8], offset: u64) -> Message {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
    let end = start.saturating_add(BLOB_MESSAGE_BYTES_MAX).min(data.len());
    let bytes = data.get(start..end).unwrap_or_default().to_vec();
    if bytes.is_empty() {
        return Message::NoBlob { digest };
    }
    Message::Piece { digest, total: data.len() as u64, offset, bytes }
}
