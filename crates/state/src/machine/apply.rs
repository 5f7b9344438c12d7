//! One transaction: from its payload to the contract that decides.

use super::draft::Draft;
use crate::contracts::{
    applications, faults, membership, notes, parameters, policies, protocol, resources, schedule,
    votes, workflows,
};
use trustmesh_types::{Payload, PublicKey, reject::Rejection};

/// Applies a payload; the draft may be left half changed when it is refused.
pub(crate) fn apply(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    payload: &Payload,
) -> Result<(), Rejection> {
    match payload {
        Payload::AdmitNode(info) => membership::admit_node(draft, signer, info),
        Payload::RegisterDevice { device, name } => {
            membership::register_device(draft, signer, device, name)
        }
        Payload::RevokeDevice { device } => membership::revoke_device(draft, signer, device),
        Payload::DeployApp(deployment) => applications::deploy(draft, signer, deployment),
        Payload::SetAppState { app, wanted } => {
            applications::set_state(draft, signer, app, *wanted)
        }
        Payload::CreateWorkflow(workflow) => workflows::create(draft, signer, workflow),
        Payload::RetireWorkflow { workflow } => workflows::retire(draft, signer, workflow),
        Payload::ReportResources(report) => resources::report(draft, signer, report),
        Payload::SubmitRequest(submission) => schedule::submit(draft, signer, submission),
        Payload::CancelRequest { request } => schedule::cancel(draft, signer, request),
        Payload::ConfirmSchedule(plan) => schedule::confirm(draft, signer, plan),
        Payload::DeclineSchedule(decline) => schedule::decline(draft, signer, decline),
        Payload::ReportFailure(failure) => schedule::report_failure(draft, signer, failure),
        Payload::RecordProgress(progress) => schedule::record_progress(draft, signer, progress),
        Payload::Finalize(finalization) => schedule::finalize(draft, signer, finalization),
        Payload::Note { bytes } => notes::note(bytes),
        Payload::ReportConflict(conflict) => schedule::report_conflict(draft, signer, conflict),
        Payload::LiftQuarantine { node } => faults::lift(draft, signer, node),
        Payload::SetParameters(change) => parameters::set(draft, signer, change),
        Payload::ReportVotes(votes) => votes::report(draft, signer, votes),
        Payload::SetPolicy(policy) => policies::set(draft, signer, policy),
        Payload::RemovePolicy { policy } => policies::remove(draft, signer, policy),
        Payload::RemoveNode { node } => membership::remove_node(draft, signer, node),
        Payload::ReplaceNode { old, new } => membership::replace_node(draft, signer, old, new),
        Payload::ChangeNode(info) => membership::change_node(draft, signer, info),
        Payload::QuarantineNode { node, reason } => {
            membership::quarantine_node(draft, signer, node, reason)
        }
        Payload::Ready => membership::ready(draft, signer),
        Payload::ActivateProtocol { version, height } => {
            protocol::activate(draft, signer, (*version, *height))
        }
        Payload::RestartApp { app } => applications::restart(draft, signer, app),
        Payload::ReportApp(report) => applications::report(draft, signer, report),
        Payload::AdmitOperator(info) => membership::admit_operator(draft, signer, info),
        Payload::RevokeOperator { operator } => {
            membership::revoke_operator(draft, signer, operator)
        }
    }
}
