//! Real engines: containerd and docker from the distribution's packages, and newer ones from Debian's sid, each started
//! by a test in a [`Room`] of its own.
//!
//! Knows where the programs come from, how they are configured and how they end. Refuses the machine's own daemons and
//! their directories: nothing here starts a service or installs a package. A newcomer would start a daemon on the host
//! and clean up after it by name; everything of a room is in its namespaces, and ends with them.

mod ability;
pub mod article;
mod cases;
mod containerd;
mod cri;
mod criu;
mod daemon;
mod docker;
mod image;
pub(crate) mod kernel;
mod podman;
mod room;
mod sets;

pub use ability::{Ability, Proof};
pub use cases::Cases;
pub use containerd::{Config, Containerd};
pub use cri::client as cri_client;
pub use criu::{criu_directory, criu_lacks};
pub use daemon::Daemon;
pub use docker::Docker;
pub use image::Image;
pub use podman::Podman;
pub use room::Room;
pub use sets::Set;
