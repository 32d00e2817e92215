//! Tests of services: being written.
