//! Why a request's tasks were placed where they were, as the node that planned tells it.

use crate::failure::{Done, Failure};
use serde::Serialize;
use std::collections::BTreeMap;
use trustmesh_api::{
    ChoiceView, DeclinedView, ErrorCode, PlacementView, Placements, RequestView, UnfitView,
};
use trustmesh_client::{Client, ClientError};
use trustmesh_types::PublicKey;

/// A request with the reasons of its plans.
#[derive(Serialize)]
pub struct Reasoned {
    /// The request.
    #[serde(flatten)]
    pub view: RequestView,
    /// Why its tasks were placed so.
    pub why: Placements,
}

/// Asks the node that planned.
pub async fn ask(
    client: &Client,
    view: &RequestView,
    names: &BTreeMap<PublicKey, String>,
) -> Done<Placements> {
    let id = view.id;
    let Some(planner) = view.planner() else {
        let why = view.waiting.as_deref().unwrap_or("no node is designated");
        return Err(Failure::failed(format!("nobody has planned request {id}: {why}")));
    };
    let name = names.get(&planner).cloned().unwrap_or_else(|| planner.short());
    let without = format!("start {name} and ask again, or leave out --why");
    client.placements(&id, &planner).await.map_err(|error| match error {
        ClientError::Unreachable { tried } => {
            let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
            Failure::failed(format!(
                "only {name}, which planned request {id}, knows why, and it does not answer ({})",
                tried.join("; ")
            ))
            .advise(without)
        }
        ClientError::Refused { problem, .. } if problem.code == ErrorCode::NotFound => {
            Failure::failed(format!("{name}: {problem}")).advise("leave out --why")
        }
        other => other.into(),
    })
}

/// The reasons of the plan on the ledger; of the last one where none is there.
pub fn text(why: &Placements, names: &BTreeMap<PublicKey, String>) -> String {
    let confirmed = why.placements.iter().rfind(|it| it.confirmed);
    let Some(placement) = confirmed.or(why.placements.last()) else {
        return "Why these nodes\n  nothing is known".to_owned();
    };
    let planner = names.get(&why.planner).cloned().unwrap_or_else(|| why.planner.short());
    let by = format!(
        "by {planner} with {}, designation {}, on the state of block {}",
        placement.scheduler, placement.designation, placement.made_at
    );
    let mut lines = match &placement.declined {
        Some(declined) => {
            let title = format!("Why no nodes (declined {by})");
            [vec![title], no_choice(declined)].concat()
        }
        None => {
            let not = if placement.confirmed { "" } else { "; not the plan on the ledger" };
            let title = format!("Why these nodes (planned {by}{not})");
            [vec![title], choices(placement)].concat()
        }
    };
    let more = why.placements.len().saturating_sub(1);
    if more > 0 {
        lines.push(format!("(-o json has {more} more of {planner}'s answers)"));
    }
    lines.join("\n")
}

fn choices(placement: &PlacementView) -> Vec<String> {
    let replicated = |it: &ChoiceView| {
        placement.choices.iter().any(|other| other.task == it.task && other.replica > 0)
    };
    let one = |it: &ChoiceView| {
        let run =
            if replicated(it) { format!("replica {} of ", it.replica) } else { String::new() };
        let others = it
            .candidates
            .iter()
            .filter_map(|other| Some(format!("  not {}: {}", other.name, other.why_not.as_ref()?)));
        let mut lines = vec![format!("{run}{}", it.why)];
        lines.extend(others);
        lines.extend(unfit(&it.unfit, it.left_out));
        lines
    };
    placement.choices.iter().flat_map(one).collect()
}

fn no_choice(declined: &DeclinedView) -> Vec<String> {
    let mut lines = vec![format!("task {}: no node can take it", declined.task)];
    lines.extend(unfit(&declined.unfit, declined.left_out));
    lines
}

fn unfit(nodes: &[UnfitView], left_out: u32) -> Vec<String> {
    let line = |it: &UnfitView| format!("  not {}: {}", it.name, it.reason);
    let mut lines: Vec<String> = nodes.iter().map(line).collect();
    if left_out > 0 {
        lines.push(format!("  not {left_out} more nodes, which are not listed"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_api::CandidateView;
    use trustmesh_types::{Digest, RequestId, TaskId};

    fn key(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    fn placement(confirmed: bool, replicas: u8) -> PlacementView {
        let candidate = |n: u8, why_not: Option<&str>| CandidateView {
            node: key(n),
            name: format!("node-{n}"),
            load: 0.5,
            weight: 1.0,
            probability: 0.5,
            why_not: why_not.map(str::to_owned),
        };
        let choice = |replica| ChoiceView {
            task: TaskId::new("a").unwrap(),
            replica,
            node: key(1),
            name: "node-1".to_owned(),
            why: "task a: node-1 was drawn".to_owned(),
            candidates: vec![candidate(1, None), candidate(2, Some("fits, not taken"))],
            unfit: vec![UnfitView {
                node: key(3),
                name: "node-3".to_owned(),
                reason: "is no worker".to_owned(),
            }],
            left_out: 2,
        };
        PlacementView {
            designation: 1,
            made_at: 7,
            made_ms: 1,
            scheduler: "lcdwrr".to_owned(),
            confirmed,
            choices: (0..replicas).map(choice).collect(),
            declined: None,
        }
    }

    fn said(placements: Vec<PlacementView>) -> String {
        let request = RequestId(Digest([1; 32]));
        let names = BTreeMap::from([(key(2), "node-2".to_owned())]);
        text(&Placements { request, planner: key(2), placements }, &names)
    }

    #[test]
    fn each_node_is_named_with_its_reason() {
        let text = said(vec![placement(true, 1)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "Why these nodes (planned by node-2 with lcdwrr, designation 1, on the state of \
                 block 7)",
                "task a: node-1 was drawn",
                "  not node-2: fits, not taken",
                "  not node-3: is no worker",
                "  not 2 more nodes, which are not listed",
            ]
        );
        assert!(said(vec![placement(true, 2)]).contains("\nreplica 1 of task a: node-1"));
    }

    #[test]
    fn the_plan_on_the_ledger_comes_before_later_ones() {
        let text = said(vec![placement(true, 1), placement(false, 2)]);
        assert!(!text.contains("replica") && text.contains("1 more of"), "{text}");
        assert!(said(vec![placement(false, 1)]).contains("not the plan on the ledger"));
        let mut none = placement(false, 0);
        let unfit = vec![UnfitView {
            node: key(3),
            name: "node-3".to_owned(),
            reason: "is quarantined".to_owned(),
        }];
        none.declined = Some(DeclinedView { task: TaskId::new("a").unwrap(), unfit, left_out: 0 });
        let text = said(vec![none]);
        assert!(text.contains("task a: no node can take it\n  not node-3: is quarantined"));
    }
}
