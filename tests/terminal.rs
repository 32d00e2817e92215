//! Tests of terminal: being written.
