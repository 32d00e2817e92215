//! Layer 4, effects: a plan is performed.
