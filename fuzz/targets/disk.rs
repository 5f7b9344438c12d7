//! libFuzzer's way into [`trustmesh_fuzz::disk`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::disk::run(data));
