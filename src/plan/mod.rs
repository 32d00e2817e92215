//! Layer 3, pure: Spec × Host × Request become a Plan.

pub mod seccomp;
