#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| duramen::fuzzing::walk(bytes));
