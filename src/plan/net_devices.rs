//! Which network devices move, and who may move them.
//!
//! It refuses to know how.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::spec::{NetDevice, Spec};

/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`: to move a device, and to speak to the kernel from within the container's network.
const NEEDED: u64 = 1 << 12 | 1 << 21;

/// Those of the configuration.
///
/// # Errors
/// [`Kind::Denied`] without the capabilities: before the kernel says EPERM, and with the reason.
pub fn decide(spec: &Spec, host: &Host) -> Result<Vec<NetDevice>> {
    if spec.net_devices.is_empty() || host.permitted_caps & NEEDED == NEEDED {
        return Ok(spec.net_devices.clone());
    }
    Err(Error::new(
        Kind::Denied,
        "rootless, no device can be taken from the host's network namespace: that needs CAP_NET_ADMIN over it",
    )
    .at("/linux/netDevices")
    .hint("run as root, or leave netDevices out and have pasta or slirp4netns make a device"))
}
