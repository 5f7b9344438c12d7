//! The model check can fail: each check that is left out of the code is noticed, as the
//! break that it should lead to.

use stateright::{Checker, HasDiscoveries, Model};
use std::sync::Arc;
use trustmesh_model::{Asked, Bounds, Broken, LONG_MS, NOTHING_BROKEN, Runs, Start};
use trustmesh_types::mutants::{self, Mutant};

/// What is enough to notice a mutant.
struct Case {
    mutant: Mutant,
    evil: Option<usize>,
    requests: &'static [&'static str],
    bounds: Bounds,
    broken: Broken,
}

const NONE: Bounds = Bounds { delays: 0, troubles: 0, lags: 0, restarts: 0, evil_acts: 0 };
const ACT: Bounds = Bounds { evil_acts: 1, ..NONE };
const TROUBLE: Bounds = Bounds { troubles: 1, ..NONE };

fn case(
    mutant: Mutant,
    evil: Option<usize>,
    requests: &'static [&'static str],
    bounds: Bounds,
    broken: Broken,
) -> Case {
    Case { mutant, evil, requests, bounds, broken }
}

fn cases() -> Vec<Case> {
    use Mutant as M;
    vec![
        case(M::C1Off, Some(3), &["one"], ACT, Broken::ForeignPlan),
        case(M::C2Off, Some(0), &["one"], ACT, Broken::SecondPlan),
        case(M::C3Off, Some(0), &["two"], ACT, Broken::BadPlan),
        case(M::C4Off, Some(0), &["one"], ACT, Broken::BadPlan),
        case(M::C5Off, Some(0), &["one"], ACT, Broken::BadPlan),
        case(M::C6Off, Some(0), &["two"], ACT, Broken::Reservations),
        case(M::ReservationsKept, None, &["one"], NONE, Broken::Reservations),
        case(M::ReceiptCountedTwice, Some(0), &["one"], ACT, Broken::TooFewHolders),
        case(M::CompletionUnchecked, Some(0), &["one"], ACT, Broken::BadEvidence),
        case(M::GenerationNeverDue, Some(0), &["one"], NONE, Broken::DeadlineMissed),
        case(M::ExecutionNeverDue, None, &["one"], TROUBLE, Broken::DeadlineMissed),
        case(M::RequestNeverDue, Some(0), &["short"], NONE, Broken::DeadlineMissed),
        case(M::ReplayAccepted, None, &["one"], NONE, Broken::Replayed),
        case(M::DoneForgotten, None, &["two"], TROUBLE, Broken::DoneLost),
        case(
            M::StaleIsFault,
            None,
            &["two"],
            Bounds { delays: 1, ..TROUBLE },
            Broken::HonestCharged,
        ),
        case(M::BlobUnchecked, Some(3), &["two"], ACT, Broken::WrongBytes),
        case(M::HeardUnchecked, Some(3), &["two"], ACT, Broken::Believed),
        case(M::NoTakeOver, Some(3), &["two"], ACT, Broken::NotTakenOver),
        case(
            M::CompletionsForgotten,
            None,
            &["one"],
            Bounds { restarts: 1, ..NONE },
            Broken::TwoCompletions,
        ),
        case(M::ReceiptEarly, None, &["one"], NONE, Broken::NotDurable),
    ]
}

fn runs(case: &Case, mutant: Option<Mutant>) -> Runs {
    let asked = case.requests.iter().map(|name| Asked {
        workflow: if *name == "two" { "two" } else { "one" },
        lifetime_ms: if *name == "short" { 900 } else { 2 * LONG_MS },
        entry: 1,
    });
    let asked: Vec<Asked> = asked.collect();
    // A node that is not designated takes part when a seed assigns it a task.
    let seeds = if case.evil == Some(3) { 12 } else { 1 };
    let starts =
        (0..seeds).map(|seed| Start { asked: asked.clone(), evil: case.evil, seed }).collect();
    let hook = Arc::new(move || mutants::set(mutant));
    Runs { starts, bounds: case.bounds, hook: Some(hook) }
}

/// What a check finds broken, if anything.
fn found(case: &Case, mutant: Option<Mutant>) -> Option<Broken> {
    let checker = runs(case, mutant)
        .checker()
        .finish_when(HasDiscoveries::AnyOf([NOTHING_BROKEN].into()))
        .spawn_bfs()
        .join();
    let path = checker.discovery(NOTHING_BROKEN);
    mutants::set(None);
    path.and_then(|path| path.last_state().broken())
}

#[test]
fn each_mutant_is_noticed_as_what_it_breaks() {
    let cases = cases();
    for mutant in Mutant::ALL {
        // No agent brings completions on other inputs to the ledger, so that the contract's own
        // check is out of these runs' reach: the contract's tests refuse them.
        if mutant == Mutant::InputUnchecked {
            continue;
        }
        assert!(cases.iter().any(|c| c.mutant == mutant), "{mutant:?} has no case");
    }
    let wrong: Vec<_> = cases
        .iter()
        .map(|case| (case.mutant, case.broken, found(case, Some(case.mutant))))
        .filter(|(_, expected, got)| *got != Some(*expected))
        .collect();
    assert!(wrong.is_empty(), "(mutant, expected, noticed): {wrong:?}");
}

#[test]
fn without_a_mutant_the_same_runs_are_sound() {
    for case in &cases() {
        assert_eq!(found(case, None), None, "{:?}", case.mutant);
    }
}
