//! `trustmesh request`: have data processed, follow it, take the result.

mod arguments;
mod show;
mod submit;
mod watch;
mod why;

pub use arguments::RequestCommand;
pub use show::names;

use super::parse;
use crate::{
    context::Context,
    failure::{Done, Failure},
};
use trustmesh_api::RequestQuery;
use trustmesh_client::Client;
use trustmesh_types::RequestId;

/// Stands for the newest request.
const LAST: &str = "last";

/// Runs a command of this noun.
pub async fn run(context: &Context, command: RequestCommand) -> Done {
    match command {
        RequestCommand::Submit(args) => submit::submit(context, &args).await,
        RequestCommand::List(args) => show::list(context, &args).await,
        RequestCommand::Show(args) => show::show(context, &args).await,
        RequestCommand::Watch(args) => watch::watch(context, &args).await,
        RequestCommand::Cancel(args) => submit::cancel(context, &args).await,
        RequestCommand::Result(args) => submit::result(context, &args).await,
    }
}

/// A request's id, or the newest one's for `last`.
async fn request_id(client: &Client, text: &str) -> Done<RequestId> {
    if text != LAST {
        return parse::id("request", text);
    }
    let query = RequestQuery { limit: Some(1), ..RequestQuery::default() };
    let newest = client.requests(&query).await?.items.into_iter().next();
    newest.map(|it| it.id).ok_or_else(|| Failure::failed("there is no request yet"))
}
