//! libFuzzer's way into [`trustmesh_fuzz::policy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustmesh_fuzz::policy::run(data));
