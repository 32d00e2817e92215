//! Tests of rootless: being written.
