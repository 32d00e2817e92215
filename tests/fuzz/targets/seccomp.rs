//! `rrun_fuzz::seccomp`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rrun_fuzz::seccomp::check(data));
