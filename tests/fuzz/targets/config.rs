//! `rrun_fuzz::config`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rrun_fuzz::config::check(data));
