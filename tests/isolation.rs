//! Tests of isolation: being written.
