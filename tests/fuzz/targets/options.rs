//! `rrun_fuzz::options`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rrun_fuzz::options::check(data));
