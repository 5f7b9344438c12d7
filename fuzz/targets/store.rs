//! libFuzzer's way into [`trustmesh_fuzz::store`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::store::run(data));
