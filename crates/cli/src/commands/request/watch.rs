//! `request watch`: a request's events as they come.
//!
//! It asks for the request's history again and again rather than listen to one node's
//! stream, so that it goes on when that node goes down.

use super::{
    arguments::OneArgs,
    request_id,
    show::{line, names},
};
use crate::{
    context::Context,
    failure::{Done, Failure},
};
use std::time::Duration;
use trustmesh_types::records::Status;

const INTERVAL: Duration = Duration::from_millis(250);

/// Prints events until the request ends; fails if it does.
pub async fn watch(context: &Context, args: &OneArgs) -> Done {
    let client = context.client()?;
    let request = request_id(&client, &args.request).await?;
    let names = names(&client).await?;
    let mut shown = 0;
    loop {
        let view = client.request(&request).await?;
        for event in view.history.iter().skip(shown) {
            context.printer.item(event, |it| line(it, view.accepted_ms, &names))?;
        }
        shown = shown.max(view.history.len());
        match view.status {
            Status::Finalized | Status::Cancelled => return Ok(()),
            Status::Failed => {
                let reason = view.reason.unwrap_or_default();
                let message = format!("request {} failed: {reason}", request.short());
                return Err(Failure::failed(message));
            }
            Status::Requested | Status::Active => tokio::time::sleep(INTERVAL).await,
        }
    }
}
