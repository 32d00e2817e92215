//! `rrun_fuzz::user`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rrun_fuzz::user::check(data));
