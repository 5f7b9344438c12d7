//! Which committee follows which.
//!
//! What always holds: what changes the validators during an epoch is decided together by its
//! last block, and the committee decided begins when the next epoch has ended; every committee
//! stays on the ledger, so that it can be proven. While a change waits the ledger says so, and
//! leaders don't hold their blocks.

use crate::{
    machine::Draft,
    tables::{Committees, Loads, Members, Settings, SettingsRecord},
};
use trustmesh_types::{
    PublicKey,
    committee::{Committee, quorum},
    events::Event,
    limits,
    records::{Member, Standing},
    reject::{RejectCode, Rejection},
};

/// Those who are to vote, sorted.
fn validators(draft: &Draft<'_>) -> Vec<PublicKey> {
    let votes = |member: Member| match member {
        Member::Node { info, standing: Standing::Ready, .. } if info.roles.validator => {
            Some(info.key)
        }
        _ => None,
    };
    draft.store.iter::<Members>().filter_map(|(_, member)| votes(member)).collect()
}

fn newest(settings: &SettingsRecord) -> &Committee {
    settings.decided.last().unwrap_or(&settings.committee)
}

/// Looks again who is to vote, after a change of a node.
///
/// # Errors
/// As [`wanted`].
pub(crate) fn look_again(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    wanted(draft, None)
}

/// Looks again who is to vote, after a change; `renewed` asks for a new committee in any case,
/// and is up.
///
/// # Errors
/// [`Rejection`] when the change would leave too few or too many validators, or too few of
/// them up to decide anything.
pub(super) fn wanted(draft: &mut Draft<'_>, renewed: Option<&PublicKey>) -> Result<(), Rejection> {
    let Some(mut settings) = draft.store.get::<Settings>(&()) else { return Ok(()) };
    let wanted = validators(draft);
    let differs = wanted != newest(&settings).validators;
    if differs {
        check(draft, &wanted, newest(&settings), renewed)?;
    }
    settings.renewal |= renewed.is_some();
    settings.waiting = differs || settings.renewal;
    draft.store.put::<Settings>(&(), &settings);
    Ok(())
}

fn check(
    draft: &Draft<'_>,
    wanted: &[PublicKey],
    newest: &Committee,
    up: Option<&PublicKey>,
) -> Result<(), Rejection> {
    let (got, before) = (wanted.len(), newest.validators.len());
    if got < limits::VALIDATORS_MIN && got < before {
        let reason = format!(
            "{got} validators would be left, {} are the fewest that tolerate a faulty one: let \
             another node become a validator first",
            limits::VALIDATORS_MIN
        );
        return Err(Rejection::new(RejectCode::ValidatorCount, reason));
    }
    if got > limits::VALIDATORS_MAX {
        let reason = format!(
            "{got} validators would vote, {} are the most: remove one first",
            limits::VALIDATORS_MAX
        );
        return Err(Rejection::new(RejectCode::ValidatorCount, reason));
    }
    let is_up = |key: &&PublicKey| {
        let load = draft.store.get::<Loads>(key);
        let live = |load: trustmesh_types::records::NodeLoad| {
            load.snapshot.is_some() && load.live_until_ms > draft.timestamp_ms
        };
        up == Some(*key) || load.is_some_and(live)
    };
    let (live, needed) = (wanted.iter().filter(is_up).count(), quorum(got));
    if live < needed {
        let reason = format!(
            "{live} of the {got} validators that would be left are up, {needed} must agree for \
             a block: bring nodes back first (`trustmesh node list` says which are not live)"
        );
        return Err(Rejection::new(RejectCode::QuorumLost, reason));
    }
    Ok(())
}

/// Decides the next committee when an epoch ends, and lets a decided one begin.
pub fn end_block(draft: &mut Draft<'_>) {
    let next = draft.height.saturating_add(1);
    let epoch_blocks = draft.parameters.epoch_blocks.max(1);
    if !next.is_multiple_of(epoch_blocks) {
        return;
    }
    let Some(before) = draft.store.get::<Settings>(&()) else { return };
    let mut settings = before.clone();
    if settings.waiting {
        let committee = Committee {
            number: newest(&settings).number.saturating_add(1),
            first_height: next.saturating_add(epoch_blocks),
            validators: validators(draft),
        };
        draft.store.put::<Committees>(&committee.number, &committee);
        draft.emit(Event::CommitteeDecided(committee.clone()));
        settings.decided.push(committee);
        (settings.waiting, settings.renewal) = (false, false);
    }
    if settings.decided.first().is_some_and(|it| it.first_height <= next) {
        settings.committee = settings.decided.remove(0);
        draft.emit(Event::CommitteeBegan { committee: settings.committee.number });
    }
    if settings != before {
        draft.store.put::<Settings>(&(), &settings);
    }
}
