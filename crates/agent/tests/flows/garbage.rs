//! Whatever peers and strangers send: no panic, nothing brought to the ledger, few effects
//! per step, nothing sent to strangers, and the request goes on as if nothing had come
//! (PROTOCOL §9).

use super::common::{CHAIN, Mesh, Setup, app_id, task_id};
use proptest::prelude::*;
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Digest, PublicKey, RequestId, SecretKey, Signature,
    evidence::{Completion, SignedCompletion, TaskInput},
    message::Message,
    request::StorageReceipt,
};

/// More than any message may bring about in a mesh of four nodes and three tasks.
const EFFECTS_MAX: usize = 24;

/// Choices that a message is made from.
#[derive(Debug, Clone)]
struct Raw {
    kind: u8,
    from: u8,
    signer: u8,
    what: u8,
    task: u8,
    designation: u32,
    number: u64,
    other: u64,
    random: [u8; 32],
    bytes: Option<Vec<u8>>,
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(5),
        Just(256 * 1024),
        Just(4 * 1024 * 1024),
        Just(4 * 1024 * 1024 + 1),
        Just(u64::MAX - 1),
        Just(u64::MAX),
        any::<u64>(),
    ]
}

fn raw() -> impl Strategy<Value = Raw> {
    let designation = prop_oneof![1 => Just(0), 5 => Just(1), 1 => Just(2), 1 => Just(u32::MAX)];
    let bytes = prop_oneof![
        Just(None),
        Just(Some(b"[\"a\"]".to_vec())),
        Just(Some(b"[\"b\"]".to_vec())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        Just(Some(vec![0; 300_000])),
    ];
    let who = (0..16u8, 0..7u8, 0..4u8, 0..8u8, 0..4u8);
    (who, designation, number(), number(), any::<[u8; 32]>(), bytes).prop_map(
        |((kind, from, signer, what, task), designation, number, other, random, bytes)| Raw {
            kind,
            from,
            signer,
            what,
            task,
            designation,
            number,
            other,
            random,
            bytes,
        },
    )
}

/// Who takes part: a running request whose plan does not name the liar.
struct Scene {
    mesh: Mesh,
    id: RequestId,
    /// The node of the last task, which all of it is sent to.
    at: usize,
    /// A validator; all that it signs is well signed.
    liar: usize,
    stranger: SecretKey,
}

impl Scene {
    /// The first task is done, and no later one.
    fn new() -> Self {
        let mut mesh = Mesh::with(&Setup::spread(CHAIN));
        let id = mesh.submit_until_active();
        let plan = ["a", "b", "c"].map(|task| mesh.nodes_of(&id, task)[0]);
        let liar = (0..4).find(|at| !plan.contains(at)).unwrap();
        mesh.run(1_000, |m| m.runs_of("a") == 1);
        assert_eq!(mesh.runs_of("c"), 0);
        Self { mesh, id, at: plan[2], liar, stranger: SecretKey::from_seed([200; 32]) }
    }

    fn sender(&self, raw: &Raw) -> PublicKey {
        match raw.from {
            at @ 0..4 => self.mesh.key(usize::from(at)),
            4 => self.stranger.public(),
            5 => self.mesh.device.public(),
            _ => PublicKey(raw.random),
        }
    }

    fn digest(&self, raw: &Raw) -> Digest {
        match raw.what {
            0 => Digest::of(b"[1,2]"),
            1 => Digest::of(b"[\"a\"]"),
            2 => Digest::of(b"[\"b\"]"),
            3 => Digest::of(b"[\"c\"]"),
            4 => self.mesh.state.app(&app_id()).unwrap().manifest.contents,
            5 => self.id.0,
            6 => Digest([0; 32]),
            _ => Digest(raw.random),
        }
    }

    fn request(&self, raw: &Raw) -> RequestId {
        if raw.other.is_multiple_of(4) { RequestId(Digest(raw.random)) } else { self.id }
    }

    fn completion(&self, raw: &Raw) -> SignedCompletion {
        let named = ["a", "b", "c"].get(usize::from(raw.task));
        let at = match named.filter(|_| raw.signer != 1) {
            Some(task) => self.mesh.nodes_of(&self.id, task)[0],
            None => usize::from(raw.random[0] % 4),
        };
        let node = self.mesh.key(at);
        let before = [None, Some("a"), Some("b"), Some("c")][usize::from(raw.task)];
        let completion = Completion {
            request: self.request(raw),
            designation: raw.designation,
            task: task_id(["a", "b", "c", "zzz"][usize::from(raw.task)]),
            node,
            inputs: vec![TaskInput {
                from: before.map(task_id),
                digest: Digest::of(if before.is_none() { b"[1,2]" } else { b"[\"a\"]" }),
            }],
            output: self.digest(raw),
            output_bytes: raw.number,
            duration_us: raw.other,
        };
        let network = self.mesh.state.network();
        match raw.signer {
            0 => {
                let node = self.mesh.key(self.liar);
                Completion { node, ..completion }.sign(&self.mesh.secret(self.liar), &network)
            }
            1 => completion.sign(&self.mesh.secret(self.liar), &network),
            2 => completion.sign(&self.stranger, &network),
            _ => {
                let mut signature = [7; 64];
                signature[..32].copy_from_slice(&raw.random);
                SignedCompletion { completion, signature: Signature(signature) }
            }
        }
    }

    fn receipt(&self, raw: &Raw) -> StorageReceipt {
        let key = if raw.signer < 2 { self.mesh.secret(self.liar) } else { self.stranger.clone() };
        let network = self.mesh.state.network();
        let (subject, digest) = (self.request(raw).0, self.digest(raw));
        let receipt = StorageReceipt::sign(&key, &network, subject, digest, raw.number);
        let validator = self.mesh.key(usize::from(raw.random[1] % 4));
        if raw.signer == 3 { StorageReceipt { validator, ..receipt } } else { receipt }
    }

    fn message(&self, raw: &Raw) -> Message {
        let (digest, request) = (self.digest(raw), self.request(raw));
        let data = raw.bytes.clone();
        match raw.kind {
            0 => {
                let (mut body, true_signature) = self.mesh.request(1, b"[1,2]");
                let mut signature = true_signature;
                match raw.signer {
                    0 => {}
                    1 => body.input_bytes = raw.number,
                    2 => {
                        body.input = digest;
                        body.input_bytes = raw.number;
                        body.device = self.stranger.public();
                        signature = body.sign(&self.stranger);
                    }
                    _ => signature = Signature([9; 64]),
                }
                Message::StoreInput { body, signature, data }
            }
            1 => Message::StoreOutput { completion: self.completion(raw), data },
            2 => Message::StoreArtifact { contents: digest, bytes: raw.number, registry: None },
            3 => Message::Stored(self.receipt(raw)),
            4 => {
                let reason = "no ".repeat(raw.number.min(2_000) as usize);
                Message::NotStored { subject: request.0, digest, reason }
            }
            5 | 12..16 => Message::Completed { completion: self.completion(raw), data },
            6 => {
                let task = task_id("c");
                let receipts = vec![self.receipt(raw); raw.other.min(300) as usize];
                Message::Receipts { request, task, receipts }
            }
            7 => Message::AskCompletions { request },
            8 => Message::AskPiece { digest, offset: raw.number },
            9 => {
                let bytes = data.unwrap_or_default();
                Message::Piece { digest, total: raw.number, offset: raw.other, bytes }
            }
            10 => Message::NoBlob { digest },
            _ => Message::Alive,
        }
    }

    /// Hands the message over and carries out what comes of it.
    fn send(&mut self, raw: &Raw) -> Result<(), TestCaseError> {
        let (from, message) = (self.sender(raw), self.message(raw));
        let member = self.mesh.state.node(&from).is_some();
        let effects = self.mesh.step(self.at, Input::Message { from, message });
        self.check(effects, member)?;
        while let Some(input) = self.mesh.nodes[self.at].inbox.pop_front() {
            let effects = self.mesh.step(self.at, input);
            self.check(effects, true)?;
        }
        Ok(())
    }

    fn check(&mut self, effects: Vec<Effect>, member: bool) -> Result<(), TestCaseError> {
        prop_assert!(effects.len() <= EFFECTS_MAX, "{} effects", effects.len());
        for effect in &effects {
            match effect {
                Effect::Transact(payload) => prop_assert!(false, "{payload:?}"),
                Effect::Run(spec) => prop_assert!(false, "{spec:?}"),
                Effect::Send { to, .. } => prop_assert!(self.mesh.state.node(to).is_some()),
                _ => {}
            }
            prop_assert!(member || matches!(effect, Effect::Wake { .. }), "{effect:?}");
        }
        self.mesh.carry_out(self.at, effects);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn garbage_brings_nothing_about_and_harms_no_request(
        raws in proptest::collection::vec(raw(), 1..60)
    ) {
        let mut scene = Scene::new();
        for raw in &raws {
            scene.send(raw)?;
        }
        let id = scene.id;
        scene.mesh.result(&id, 4_000);
        prop_assert_eq!(scene.mesh.record(&id).attempts, 1);
    }
}
