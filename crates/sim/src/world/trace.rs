//! The trace of a world: a running digest over everything that agents hear and do, in
//! order, with virtual times. Two runs did the same exactly when their digests agree; with
//! the log at `trace` level, the first line that differs shows where they part.

use trustmesh_agent::{Answer, Effect, Input};
use trustmesh_types::{Digest, codec};

/// See the module.
#[derive(Debug, Default, Clone)]
pub(crate) struct Trace {
    digest: Digest,
    steps: u64,
}

impl Trace {
    /// Adds one step, at a time in microseconds since the world began.
    pub(crate) fn add(&mut self, at_us: u64, node: usize, (kind, what): (&'static str, Digest)) {
        tracing::trace!(at_us, node, kind, what = what.short());
        self.steps += 1;
        self.digest = Digest::of_parts(&[
            self.digest.as_ref(),
            &at_us.to_be_bytes(),
            &(node as u64).to_be_bytes(),
            kind.as_bytes(),
            what.as_ref(),
        ]);
    }

    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }
}

fn text(value: &str) -> Digest {
    Digest::of(value.as_bytes())
}

/// An input's kind and a digest of what tells it from others of its kind.
pub(crate) fn of_input(input: &Input) -> (&'static str, Digest) {
    match input {
        Input::Block(finalized) => ("block", finalized.block.digest()),
        Input::Submit { body, .. } => ("submit", body.id().0),
        Input::Publish { contents, .. } => ("publish", *contents),
        Input::Message { from, message } => {
            ("message", Digest::of_parts(&[&from.0, &codec::encode(message)]))
        }
        Input::Stored { digest, result } => {
            (if result.is_ok() { "stored" } else { "not stored" }, *digest)
        }
        Input::Loaded { digest, data } => {
            (if data.is_some() { "loaded" } else { "not loaded" }, *digest)
        }
        Input::Obtained { contents, result, .. } => {
            (if result.is_ok() { "obtained" } else { "not obtained" }, *contents)
        }
        Input::Started { app, result, .. } => {
            (if result.is_ok() { "started" } else { "not started" }, text(app.as_str()))
        }
        Input::Ran { run, result } => {
            let output =
                result.as_ref().map_or_else(|e| text(e), |output| Digest::of(&output.data));
            let number = run.designation.to_be_bytes();
            let parts =
                [run.request.0.as_ref(), &number, run.task.as_str().as_bytes(), output.as_ref()];
            ("ran", Digest::of_parts(&parts))
        }
        Input::Sampled(snapshot) => ("sampled", Digest::of(&codec::encode(snapshot))),
        Input::Misbehaviour(votes) => ("misbehaviour", votes.digest()),
        Input::Woken => ("woken", Digest::default()),
    }
}

/// An effect's kind and a digest of what tells it from others of its kind.
pub(crate) fn of_effect(effect: &Effect) -> (&'static str, Digest) {
    match effect {
        Effect::Transact(payload) => (payload.kind(), Digest::of(&codec::encode(payload))),
        Effect::Send { to, message } => {
            ("send", Digest::of_parts(&[&to.0, &codec::encode(message)]))
        }
        Effect::Meet(nodes) => ("meet", Digest::of(&codec::encode(nodes))),
        Effect::Store { digest, .. } => ("store", *digest),
        Effect::KeepOutput { completion, .. } => {
            ("keep output", Digest::of(&codec::encode(completion)))
        }
        Effect::KeepPlacement(explained) => {
            // What it says follows from the plan, which is in the trace.
            let numbers = (explained.designation, explained.made_at, explained.made_ms);
            ("keep placement", Digest::of(&codec::encode(&(explained.request, numbers))))
        }
        Effect::Load { digest } => ("load", *digest),
        Effect::Run(spec) => ("run", Digest::of_parts(&[&spec.seed, &spec.input])),
        Effect::Obtain(it) => ("obtain", it.contents),
        Effect::Start(it) => ("start", it.manifest.contents),
        Effect::Stop { app } => ("stop", text(app.as_str())),
        Effect::Discard { contents } => ("discard", *contents),
        Effect::Deliver(delivery) => {
            let outputs = delivery.outputs.iter().map(|(_, data)| Digest::of(data));
            ("deliver", Digest::of(&codec::encode(&outputs.collect::<Vec<_>>())))
        }
        Effect::Reply { answer, .. } => match answer {
            Answer::Accepted(id) => ("accepted", id.0),
            Answer::Published(receipts) => ("published", Digest::of(&codec::encode(receipts))),
            Answer::Refused(rejection) => ("refused", text(&rejection.reason)),
            Answer::Unavailable(why) => ("unavailable", text(why)),
        },
        Effect::Wake { at_ms } => ("wake", Digest::of(&at_ms.to_be_bytes())),
        Effect::Note { text: note, .. } => ("note", text(note)),
    }
}
