//! Tests of mounts: being written.
