//! Tests of seccomp: being written.
