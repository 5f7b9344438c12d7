//! libFuzzer's way into [`trustmesh_fuzz::definitions`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::definitions::run(data));
