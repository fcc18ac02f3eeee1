#![no_main]

libfuzzer_sys::fuzz_target!(|name: &str| duramen::fuzzing::file_name(name));
