//! Registries: Debian's `docker-registry` as a process of its own, with each way to log in, and
//! evil ones. Without that program its tests say `SKIPPED`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, helpers included"
)]

mod artifacts;
mod cosign;
mod distribution;
mod evil;
mod interop;
mod logins;
mod place;
mod redirects;
mod retries;
mod tokens;
