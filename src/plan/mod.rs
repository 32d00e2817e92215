//! Layer 3, pure: Spec × Host × Request become a Plan.

pub mod cgroup;
pub mod device_filter;
