//! libFuzzer's way into [`trustmesh_fuzz::http`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::http::run(data));
