//! Connections: TLS, HTTP/1.1, and their graceful end.
//!
//! Invariants: at most `connections_max` connections, `address_connections_max` of them from one
//! network address; a handshake and a request's head have a
//! time; when the node stops, requests under way are answered, for at most [`DRAIN`].

use super::{
    app::{App, Http},
    limits::network_of,
    middleware::Peer,
    router::router,
    shares::{Share, Shares},
};
use crate::{NodeError, clock};
use axum::{Router, body::Body};
use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use std::{
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use trustmesh_api::ErrorCode;

/// For answers under way when the node stops.
const DRAIN: Duration = Duration::from_secs(3);
/// After the system refused to accept (too many open files): it needs a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Bounds {
    tls: TlsAcceptor,
    router: Router,
    header_timeout: Duration,
}

/// Serves the API until the node stops.
///
/// # Errors
/// None today: what goes wrong concerns one connection.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    app: App,
) -> Result<(), NodeError> {
    let stop = app.stop.clone();
    let places = Arc::new(Semaphore::new(app.limits.connections_max as usize));
    let header_timeout = Duration::from_millis(app.limits.header_timeout_ms);
    let http = Arc::new(Http::new(app));
    let router = router(Arc::clone(&http));
    let bounds = Bounds { tls: TlsAcceptor::from(tls), router, header_timeout };
    let graceful = GracefulShutdown::new();
    let connections = Shares::new(http.app.limits.address_connections_max);
    let counting = tokio::spawn(count_requests(Arc::clone(&http)));
    loop {
        let accepted = tokio::select! {
            () = stop.requested() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        // One too many is closed before it costs a handshake.
        let opens = http.rates.connection(peer.ip(), clock::now_ms());
        match connections.take(network_of(peer.ip()), 1).filter(|_| opens) {
            Some(share) => {
                let place = (place, share);
                tokio::spawn(connection(bounds.clone(), stream, peer, place, graceful.watcher()));
            }
            None => tracing::debug!(%peer, "too many connections from this address"),
        }
    }
    counting.abort();
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut: their answers took too long");
    }
    Ok(())
}

/// Counts what the ledger accepts of each device, through whichever node it came.
async fn count_requests(http: Arc<Http>) {
    let mut blocks = http.app.feed.subscribe();
    loop {
        match blocks.recv().await {
            Ok(block) => {
                let at_ms = block.block.header.timestamp_ms;
                for (transaction, receipt) in block.block.transactions.iter().zip(&block.receipts) {
                    http.rates.included(transaction, &receipt.outcome, at_ms);
                }
            }
            // What was missed counts for nobody.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// The next connection and its place. None is taken from the system while all are in use.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(
    bounds: Bounds,
    stream: TcpStream,
    peer: SocketAddr,
    _place: (OwnedSemaphorePermit, Share<IpAddr>),
    watcher: Watcher,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(bounds.header_timeout, bounds.tls.accept(stream)).await
    {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => return tracing::debug!(%peer, "the TLS handshake took too long"),
    };
    let router = bounds.router;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        answered(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

/// Answers a request; a bug of ours costs one answer, not the connection's task.
async fn answered(
    router: Router,
    request: hyper::Request<Body>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let answer = AssertUnwindSafe(router.oneshot(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        tracing::error!(path, "a handler panicked");
        let refusal = super::refusal::Refusal::new(ErrorCode::Internal, "the node failed");
        Ok(super::refusal::write(&refusal, &path))
    })
}
