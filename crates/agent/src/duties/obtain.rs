//! Artifacts under way: who wants which, and what became of it (PROTOCOL §7).
//!
//! The driver fetches and checks them, from a registry or from nodes that hold them, and keeps
//! them durably; here is only who waits for one, and when it is tried again. Nothing is known
//! after a restart: whoever wants an artifact asks, and one that is held is there at once.

use crate::{
    Effect,
    agenda::{Matter, Retry},
    core::Core,
    effect::Obtain,
    limits,
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{Digest, PublicKey};

/// An artifact's contents, and whether all of them or what this node runs.
pub(crate) type Part = (Digest, bool);

#[derive(Debug, Clone)]
struct Job {
    running: bool,
    retry: Retry,
    trouble: String,
    wanted_by: BTreeSet<Matter>,
}

/// Artifacts under way, and those known to be held.
#[derive(Debug, Clone, Default)]
pub(crate) struct Obtains {
    jobs: BTreeMap<Part, Job>,
    held: BTreeMap<Part, Option<String>>,
}

/// How it stands with an artifact that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Held durably; what an operator should know of how it came.
    Held(Option<String>),
    /// Under way.
    Coming,
    /// It could not be had; it is tried again. Why.
    Failing(String),
}

/// Where an artifact may be had.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Digest of its contents, and whether all of them are wanted.
    pub(crate) part: Part,
    /// Bytes of its blobs.
    pub(crate) bytes: u64,
    /// Nodes that hold it or may, best first.
    pub(crate) sources: Vec<PublicKey>,
    /// A repository that has it, too.
    pub(crate) registry: Option<String>,
}

/// Asks for an artifact; `matter` is looked at again when something became of it.
pub(crate) fn want(core: &mut Core, wanted: Wanted, matter: &Matter) -> Standing {
    let part = wanted.part;
    let whole = (part.0, true);
    if let Some(note) = core.obtains.held.get(&part).or_else(|| core.obtains.held.get(&whole)) {
        return Standing::Held(note.clone());
    }
    let now_ms = core.now_ms;
    let job = core.obtains.jobs.entry(part).or_insert_with(|| Job {
        running: false,
        retry: Retry::default(),
        trouble: String::new(),
        wanted_by: BTreeSet::new(),
    });
    job.wanted_by.insert(matter.clone());
    let tried = job.retry.tries();
    if !job.running && job.retry.ready(now_ms) {
        job.running = true;
        job.retry.tried(now_ms, limits::OBTAIN_RETRY_MS);
        let (contents, whole) = part;
        let me = core.me;
        let mut sources = wanted.sources;
        sources.retain(|source| *source != me);
        sources.truncate(limits::SOURCES_MAX);
        let Wanted { bytes, registry, .. } = wanted;
        core.out.push(Effect::Obtain(Obtain { contents, whole, bytes, sources, registry }));
    } else if !job.running {
        let at_ms = job.retry.next_ms();
        core.later(matter.clone(), at_ms);
    }
    match core.obtains.jobs.get(&part) {
        Some(job) if tried >= limits::OBTAIN_TRIES_SILENT => Standing::Failing(job.trouble.clone()),
        _ => Standing::Coming,
    }
}

/// A matter wants no artifact any more.
pub(crate) fn unwant(core: &mut Core, matter: &Matter) {
    core.obtains.jobs.retain(|_, job| {
        job.wanted_by.remove(matter);
        job.running || !job.wanted_by.is_empty()
    });
}

/// An artifact is gone from this node.
pub(crate) fn gone(core: &mut Core, contents: Digest) {
    core.obtains.held.remove(&(contents, true));
    core.obtains.held.remove(&(contents, false));
}

/// The answer to [`Effect::Obtain`]: held, with what an operator should know of it, or why not.
pub(crate) fn obtained(core: &mut Core, part: Part, result: Result<Option<String>, String>) {
    let Some(job) = core.obtains.jobs.get_mut(&part) else { return };
    job.running = false;
    match result {
        Ok(note) => {
            let wanted_by = core.obtains.jobs.remove(&part).map(|job| job.wanted_by);
            core.obtains.held.insert(part, note);
            wanted_by.into_iter().flatten().for_each(|matter| core.poke(matter));
        }
        Err(why) => {
            job.trouble = crate::core::cut(&why, trustmesh_types::limits::TEXT_BYTES_MAX);
            let text = format!("artifact {} can't be had: {}", part.0.short(), job.trouble);
            let wanted_by: Vec<Matter> = job.wanted_by.iter().cloned().collect();
            if wanted_by.is_empty() {
                core.obtains.jobs.remove(&part);
            }
            core.note(true, None, text);
            wanted_by.into_iter().for_each(|matter| core.poke(matter));
        }
    }
}
