#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| melangerie_fuzz::repair::check(data));
