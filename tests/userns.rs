//! Tests of userns: being written.
