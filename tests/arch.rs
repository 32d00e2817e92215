//! Tests of arch: being written.
