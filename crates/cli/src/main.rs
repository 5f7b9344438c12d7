//! The `trustmesh` binary.

fn main() {}
