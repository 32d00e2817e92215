//! Tests of cve: being written.
