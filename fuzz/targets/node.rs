//! libFuzzer's way into [`trustmesh_fuzz::node`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::node::run(data));
