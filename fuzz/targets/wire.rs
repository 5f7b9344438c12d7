//! libFuzzer's way into [`trustmesh_fuzz::wire`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::wire::run(data));
