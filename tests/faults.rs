//! Tests of faults: being written.
