//! Tests of hooks: being written.
