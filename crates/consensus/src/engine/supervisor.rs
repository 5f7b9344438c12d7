//! One task that owns a node's ledger: when it ends, every other task of the ledger ends with
//! it (the runtime supervises children), on any runtime.

use super::{
    assembly::{Ends, Running, assemble},
    transport::{Network, Transport},
};
use crate::{
    conduct::Conduct,
    error::StartError,
    handle::{Handle, Streams},
    ledger,
    options::Options,
    runtime::Runtime,
};
use commonware_macros::select;
use commonware_runtime::Handle as Task;
use commonware_utils::channel::{oneshot, watch};
use futures::future::select_all;
use std::sync::Arc;

/// Starts a ledger. It runs until [`Handle::shutdown`], until the returned task is aborted
/// (as if the process were killed), or until a part of it fails. Honest nodes have no
/// `conduct`.
pub(crate) async fn start<E: Runtime, T: Transport>(
    context: E,
    options: Options,
    network: Network<T>,
    directory: String,
    conduct: Option<Arc<dyn Conduct>>,
) -> Result<(Handle, Streams, Task<()>), StartError> {
    let (stop, stop_asked) = watch::channel(false);
    let (stopped_tell, stopped) = watch::channel(false);
    let ends = Ends { stop, stopped };
    let (reply, started) = oneshot::channel();
    let task = context.child("ledger").spawn(move |context| async move {
        match assemble(context.child("node"), options, network, directory, (ends, conduct)).await {
            Ok(running) => {
                let Running { handle, streams, ledger, snapshots, vital } = running;
                // Whoever started it may be gone; then it runs until it is aborted.
                let _ = reply.send(Ok((handle, streams)));
                supervise(&context, stop_asked, vital).await;
                let (tip, state) = ledger.tip();
                if state.height() > 0 {
                    ledger::snapshot(&context, &snapshots, tip, state).await;
                }
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
        stopped_tell.send_replace(true);
    });
    let ended = |_| StartError::Engine { reason: "its task is gone".to_owned() };
    let (handle, streams) = started.await.map_err(ended)??;
    Ok((handle, streams, task))
}

async fn supervise<E: Runtime>(
    context: &E,
    mut stop_asked: watch::Receiver<bool>,
    vital: Vec<Task<()>>,
) {
    let runtime_stops = context.stopped();
    select! {
        _ = stop_asked.wait_for(|asked| *asked) => {},
        _ = runtime_stops => {},
        _ = select_all(vital) => tracing::error!("a part of the ledger has ended: it stops"),
    }
}
