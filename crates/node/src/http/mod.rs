//! The HTTP API `/v1` (DESIGN, "What a user touches"; wire types in `trustmesh_api`).
//!
//! - `server`: TLS, connections, graceful end; `router`: what is where;
//! - `middleware`: what every request passes: rate, time, problem documents, figures;
//! - `limits`, `shares`: what each address, key and device may ask for and hold;
//! - `extract`, `body`, `identity`, `refusal`, `answers`, `listing`: parts of handlers;
//! - a module of handlers per kind of resource.
//!
//! Invariants: every body, wait, connection and rate is bounded, in all and for each address,
//! key and device, so that one that floods does not crowd out the others; every error is a problem
//! document; reads need no signature, what costs work or gives results does.

mod answers;
mod app;
mod artifacts;
mod blocks;
mod body;
mod events;
mod extract;
mod faults;
mod health;
mod identity;
mod limits;
mod listing;
mod members;
mod middleware;
mod parameters;
mod placements;
mod refusal;
mod requests;
mod results;
mod router;
mod server;
mod shares;
mod snapshot;
mod transactions;

pub(crate) use app::App;
pub(crate) use server::serve;
