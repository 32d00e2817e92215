//! Two virtual machines.
