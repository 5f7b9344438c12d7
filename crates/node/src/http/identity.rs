//! Who makes a request: signed headers, checked (`trustmesh_api::auth`).

use super::{app::Http, refusal::Refusal};
use crate::clock;
use axum::http::{HeaderMap, Method, Uri};
use trustmesh_api::{
    ErrorCode,
    auth::{AuthError, Call, Headers},
};
use trustmesh_types::{PublicKey, records::Member};

/// The headers, not checked yet: their key is only a claim.
pub(super) fn claimed(headers: &HeaderMap) -> Result<Headers, Refusal> {
    Headers::read(|name| headers.get(name)?.to_str().ok()).map_err(unauthorized)
}

/// The signer of a request, within its rate: refused before the signature is checked when it
/// has nothing left, charged after it.
pub(super) fn signer(
    http: &Http,
    claimed: &Headers,
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Result<PublicKey, Refusal> {
    let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
    let call = Call { method: method.as_str(), target, body };
    let (network, now_ms) = (&http.app.network, clock::now_ms());
    http.rates.look_key(&claimed.key, now_ms)?;
    let key = call.verify(claimed, network, now_ms).map_err(unauthorized)?;
    http.rates.key(&key, now_ms)?;
    Ok(key)
}

/// Whether a key is an operator's that may publish.
pub(super) fn check_publisher(http: &Http, key: &PublicKey) -> Result<(), Refusal> {
    if http.app.consensus.state().may_publish(key) {
        return Ok(());
    }
    Err(forbidden(key, "operator that may publish applications"))
}

/// Whether a key is an operator's.
pub(super) fn check_operator(http: &Http, key: &PublicKey) -> Result<(), Refusal> {
    match http.app.consensus.state().member(key) {
        Some(Member::Operator { revoked: false, .. }) => Ok(()),
        _ => Err(forbidden(key, "operator")),
    }
}

/// Whether a key is an operator's, or a node's that is still one: those keep artifacts.
pub(super) fn check_keeper(http: &Http, key: &PublicKey) -> Result<(), Refusal> {
    let state = http.app.consensus.state();
    match state.member(key) {
        Some(Member::Operator { revoked: false, .. }) => Ok(()),
        Some(Member::Node { .. }) if state.node(key).is_some_and(|it| it.is_member()) => Ok(()),
        _ => Err(forbidden(key, "node or operator")),
    }
}

fn forbidden(key: &PublicKey, what: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, format!("key {} is no {what}", key.short()))
}

fn unauthorized(error: AuthError) -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, error.to_string())
}
