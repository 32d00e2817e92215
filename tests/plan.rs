//! Tests of plan: being written.
