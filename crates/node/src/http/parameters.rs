//! The network's parameters, as they are after the newest block.

use super::app::Shared;
use axum::{Json, extract::State};
use trustmesh_api::ParametersView;

pub(super) async fn parameters(State(http): State<Shared>) -> Json<ParametersView> {
    Json(ParametersView::new(http.app.consensus.state().parameters()))
}
