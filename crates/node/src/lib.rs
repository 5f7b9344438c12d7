//! The node daemon: configuration, driver, HTTP API, local meshes.
