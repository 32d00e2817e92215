//! Layer 3, pure: Spec × Host × Request become a Plan.
