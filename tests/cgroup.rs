//! Tests of cgroup: being written.
