//! What the reading finds above itself.

use super::emulate::Call;
use rrun::spec::Profile;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_X86: u32 = 0x4000_0003;

#[allow(dead_code)]
#[path = "../../../../src/plan/seccomp/tests/reference.rs"]
mod reference;

/// `SECCOMP_RET_*` with its data, as the profile reads.
#[must_use]
pub fn verdict(profile: &Profile, call: &Call) -> u32 {
    reference::Reading::of(profile).verdict(call)
}
