//! `rrun_fuzz::archive`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rrun_fuzz::archive::check(data));
