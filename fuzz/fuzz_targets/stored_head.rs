//! `tidegate_proxy::fuzzing::stored_head` from what libFuzzer makes up.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_proxy::fuzzing::stored_head(bytes));
