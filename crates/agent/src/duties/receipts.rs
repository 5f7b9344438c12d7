//! Gathering storage receipts: f+1 validators' word that they hold some bytes durably
//! (PROTOCOL §4, phase 1 and Finalization).
//!
//! f+1 validators are asked at once, this node counting when it is one; the rest after
//! [`limits::WIDEN_MS`] or a refusal; all that still owe an answer again and again until the
//! owner of the gathering drops it.

use crate::{
    BlobKind, Bytes,
    agenda::{BlobKey, Matter, Retry},
    core::{Core, Waiter},
    limits,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, PublicKey, Signature,
    evidence::SignedCompletion,
    limits::BLOB_MESSAGE_BYTES_MAX,
    message::Message,
    request::{RequestBody, StorageReceipt},
};

/// What is to be kept, with what makes validators believe it.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    /// A request's input.
    Input(Box<RequestBody>, Signature),
    /// A task's output.
    Output(Box<SignedCompletion>),
    /// An application's artifact, which this node holds.
    Artifact {
        /// Bytes of its blobs.
        bytes: u64,
        /// A repository that has it, too.
        registry: Option<String>,
    },
}

/// Receipts being gathered.
#[derive(Debug, Clone)]
pub(crate) struct Gather {
    parcel: Parcel,
    /// What is to be kept; nothing of an artifact, which does not go through here.
    data: Bytes,
    bytes: u64,
    owner: Matter,
    /// How this node keeps its own copy; `None` when it is held already.
    own: Option<(BlobKind, u64)>,
    receipts: BTreeMap<PublicKey, StorageReceipt>,
    order: Vec<PublicKey>,
    asked: usize,
    widen_ms: u64,
    retry: Retry,
    /// The last reason why there is no receipt.
    pub(crate) trouble: Option<String>,
    /// Why this node's own copy could not be kept.
    pub(crate) own_trouble: Option<String>,
}

/// Begins, unless it has begun. `durable_here`: this node holds the bytes durably already.
pub(crate) fn start(
    core: &mut Core,
    key: BlobKey,
    parcel: Parcel,
    data: Bytes,
    owner: Matter,
    (durable_here, prefer): (bool, Option<PublicKey>),
) {
    if core.gathers.contains_key(&key) {
        return;
    }
    let (own, bytes) = match &parcel {
        Parcel::Input(body, _) => {
            (Some((BlobKind::Input, core.kept_until_ms(body))), data.len() as u64)
        }
        Parcel::Output(completion) => {
            let record = core.state.request(&completion.completion.request);
            let until_ms = record.map_or(core.now_ms, |r| core.kept_until_ms(&r.body));
            (Some((BlobKind::Output, until_ms)), data.len() as u64)
        }
        Parcel::Artifact { bytes, .. } => (None, *bytes),
    };
    let mut receipts = BTreeMap::new();
    let validator = core.is_validator();
    if durable_here && validator {
        receipts.insert(core.me, sign(core, &key, bytes));
    }
    let order = core.validators_for(&key.subject, prefer);
    let gather = Gather {
        parcel,
        data: Bytes::clone(&data),
        bytes,
        owner,
        own,
        receipts,
        order,
        asked: 0,
        widen_ms: core.now_ms.saturating_add(limits::WIDEN_MS),
        retry: Retry::default(),
        trouble: None,
        own_trouble: None,
    };
    core.gathers.insert(key, gather);
    if let Some((kind, until_ms)) = own
        && !durable_here
        && (validator || kind != BlobKind::Output)
    {
        core.store(key.digest, data, kind, until_ms, Waiter::Own(key));
    }
    tick(core, &key);
}

/// Asks whoever is to be asked now.
pub(crate) fn tick(core: &mut Core, key: &BlobKey) {
    let (now_ms, quorum) = (core.now_ms, core.quorum());
    let own = usize::from(core.is_validator());
    let Some(gather) = core.gathers.get_mut(key) else { return };
    if gather.receipts.len() >= quorum {
        let owner = gather.owner.clone();
        core.poke(owner);
        return;
    }
    let mut to: Vec<PublicKey> = Vec::new();
    if gather.asked == 0 {
        gather.asked = quorum.saturating_sub(own).min(gather.order.len());
        to.extend(gather.order.iter().take(gather.asked));
        gather.retry = Retry::not_before(now_ms.saturating_add(limits::RECEIPT_RETRY_MS.0));
    } else if gather.asked < gather.order.len() && now_ms >= gather.widen_ms {
        to.extend(gather.order.iter().skip(gather.asked));
        gather.asked = gather.order.len();
    }
    if gather.retry.ready(now_ms) {
        to.clone_from(&gather.order);
        gather.retry.tried(now_ms, limits::RECEIPT_RETRY_MS);
    }
    to.retain(|v| !gather.receipts.contains_key(v));
    let next_ms = if gather.asked < gather.order.len() {
        gather.widen_ms.min(gather.retry.next_ms())
    } else {
        gather.retry.next_ms()
    };
    let (parcel, data) = (gather.parcel.clone(), Bytes::clone(&gather.data));
    for validator in to {
        let message = request(&parcel, key, &data);
        core.send(validator, message);
    }
    core.later(Matter::Gather(*key), next_ms);
}

fn request(parcel: &Parcel, key: &BlobKey, data: &Bytes) -> Message {
    let inline = (data.len() <= BLOB_MESSAGE_BYTES_MAX).then(|| data.to_vec());
    match parcel {
        Parcel::Input(body, signature) => {
            Message::StoreInput { body: (**body).clone(), signature: *signature, data: inline }
        }
        Parcel::Output(completion) => {
            Message::StoreOutput { completion: (**completion).clone(), data: inline }
        }
        Parcel::Artifact { bytes, registry } => Message::StoreArtifact {
            contents: key.digest,
            bytes: *bytes,
            registry: registry.clone(),
        },
    }
}

/// This node's receipt for bytes that it holds durably.
pub(crate) fn sign(core: &Core, key: &BlobKey, bytes: u64) -> StorageReceipt {
    StorageReceipt::sign(&core.key, &core.network, key.subject, key.digest, bytes)
}

/// Whether a receipt is a validator's true word.
pub(crate) fn genuine(core: &Core, receipt: &StorageReceipt) -> bool {
    core.state.validators().binary_search(&receipt.validator).is_ok()
        && receipt.verify(&core.network).is_ok()
}

/// A receipt came.
pub(crate) fn receive(core: &mut Core, receipt: StorageReceipt) {
    let key = BlobKey { subject: receipt.subject, digest: receipt.digest };
    let wanted = core
        .gathers
        .get(&key)
        .is_some_and(|g| g.bytes == receipt.bytes && !g.receipts.contains_key(&receipt.validator));
    if wanted && genuine(core, &receipt) {
        insert(core, key, receipt);
    }
}

fn insert(core: &mut Core, key: BlobKey, receipt: StorageReceipt) {
    let quorum = core.quorum();
    let Some(gather) = core.gathers.get_mut(&key) else { return };
    gather.receipts.insert(receipt.validator, receipt);
    if gather.receipts.len() == quorum {
        let owner = gather.owner.clone();
        core.poke(owner);
    }
}

/// A validator refused: the others are asked at once.
pub(crate) fn refused(core: &mut Core, from: PublicKey, key: BlobKey, reason: &str) {
    let reason = crate::core::cut(reason, trustmesh_types::limits::TEXT_BYTES_MAX);
    let text = format!("{}: {reason}", core.name(&from));
    let now_ms = core.now_ms;
    let Some(gather) = core.gathers.get_mut(&key) else { return };
    gather.trouble = Some(text);
    gather.widen_ms = gather.widen_ms.min(now_ms);
    core.poke(Matter::Gather(key));
}

/// This node's own copy is durable, or not.
pub(crate) fn own_stored(core: &mut Core, key: BlobKey, result: Result<(), String>) {
    let Some(gather) = core.gathers.get_mut(&key) else { return };
    match result {
        Ok(()) => {
            let bytes = gather.bytes;
            if core.is_validator() {
                let receipt = sign(core, &key, bytes);
                insert(core, key, receipt);
            }
        }
        Err(reason) => {
            gather.own_trouble = Some(reason);
            gather.widen_ms = 0;
            let owner = gather.owner.clone();
            core.poke(owner);
            core.poke(Matter::Gather(key));
        }
    }
}

/// Another committee votes: receipts of who is not in it count no more, and those who are new
/// are asked where some lack.
pub(crate) fn count_anew(core: &mut Core) {
    let keys: Vec<BlobKey> = core.gathers.keys().copied().collect();
    let (now_ms, me, validator) = (core.now_ms, core.me, core.is_validator());
    for key in keys {
        let order = core.validators_for(&key.subject, None);
        let Some(gather) = core.gathers.get_mut(&key) else { continue };
        let committee = core.state.committee();
        gather.receipts.retain(|signer, _| committee.contains(signer));
        gather.order = order;
        gather.asked = 0;
        gather.widen_ms = now_ms.saturating_add(limits::WIDEN_MS);
        gather.retry = Retry::default();
        let lacks_own = validator && !gather.receipts.contains_key(&me);
        let (own, data, bytes) = (gather.own, Bytes::clone(&gather.data), gather.bytes);
        match own {
            Some((kind, until_ms)) if lacks_own => {
                core.store(key.digest, data, kind, until_ms, Waiter::Own(key));
            }
            None if lacks_own => {
                let receipt = sign(core, &key, bytes);
                insert(core, key, receipt);
            }
            _ => {}
        }
        core.poke(Matter::Gather(key));
    }
}

/// f+1 receipts, once they are here.
pub(crate) fn complete(core: &Core, key: &BlobKey) -> Option<Vec<StorageReceipt>> {
    let gather = core.gathers.get(key)?;
    let quorum = core.quorum();
    (gather.receipts.len() >= quorum)
        .then(|| gather.receipts.values().take(quorum).cloned().collect())
}

/// Forgets a gathering.
pub(crate) fn forget(core: &mut Core, key: &BlobKey) {
    core.gathers.remove(key);
    core.agenda.clear(&Matter::Gather(*key));
}

/// Forgets all gatherings for a subject.
pub(crate) fn forget_subject(core: &mut Core, subject: Digest) {
    let from = BlobKey { subject, digest: Digest([0; 32]) };
    let keys: Vec<BlobKey> =
        core.gathers.range(from..).map(|(k, _)| *k).take_while(|k| k.subject == subject).collect();
    for key in keys {
        forget(core, &key);
    }
}
