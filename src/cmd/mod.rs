//! The verbs, one file each: arguments to library to output.

pub mod unpack;
