//! Which accelerator truly works.
//!
//! What a newcomer would get wrong: a /dev/kvm that opens, a KVM that answers and a QEMU that starts prove nothing. On
//! nested machines QEMU then dies (`failed to set MSR`) or computes for ever, and nothing is said. A guest has to answer.

use super::boot::boot;
use super::{Accelerator, Recipe};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// How long a guest has to answer under KVM; emulated it would take less than half of it.
pub const KVM_ANSWERS: Duration = Duration::from_secs(5);

/// How long one may take under emulation, on a busy machine.
pub const TCG_ANSWERS: Duration = Duration::from_secs(60);

/// Where KVM is.
pub const DEVICE: &str = "/dev/kvm";

/// What is used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What executes the guests.
    pub accelerator: Accelerator,
    /// For the person reading.
    pub because: String,
}

/// Boots `guest` under KVM, and under emulation to compare.
#[must_use]
pub fn prove(guest: &Recipe, device: &Path) -> Proof {
    let with = |accelerator| Recipe { accelerator, ..guest.clone() };
    let answered =
        open(device).and_then(|()| boot("/dev/kvm", &with(Accelerator::Kvm), KVM_ANSWERS));
    match answered {
        Ok(kvm) => {
            let tcg = boot("emulation", &with(Accelerator::Tcg), TCG_ANSWERS);
            compared(kvm.first, tcg.map(|tcg| tcg.first))
        }
        Err(why) => Proof {
            accelerator: Accelerator::Tcg,
            because: format!("KVM is not usable: {}", one_line(&why)),
        },
    }
}

/// A KVM that is not twice as fast as emulation is none: no time that it gives may be divided by.
fn compared(kvm: Duration, tcg: Result<Duration, String>) -> Proof {
    let took = format!("a guest answered under KVM after {:.2} s", kvm.as_secs_f64());
    let (accelerator, because) = match tcg {
        Ok(tcg) if kvm * 2 <= tcg => {
            (Accelerator::Kvm, format!("{took}, under emulation after {:.2} s", tcg.as_secs_f64()))
        }
        Ok(tcg) => {
            let tcg = tcg.as_secs_f64();
            let slow = "KVM is implausibly slow (nested?) and not used";
            (Accelerator::Tcg, format!("{slow}: {took}, under emulation after {tcg:.2} s"))
        }
        Err(why) => (Accelerator::Kvm, format!("{took}; not compared: {}", one_line(&why))),
    };
    Proof { accelerator, because }
}

fn open(device: &Path) -> Result<(), String> {
    let opened = OpenOptions::new().read(true).write(true).open(device);
    opened.map(drop).map_err(|why| refused(device, &why))
}

fn refused(device: &Path, why: &std::io::Error) -> String {
    let device = device.display();
    match why.kind() {
        ErrorKind::NotFound => format!("there is no {device}"),
        ErrorKind::PermissionDenied => {
            format!("{device} is there, but not for us: join the group kvm, or be root")
        }
        _ => format!("{device}: {why}"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_absent_is_told_from_one_that_is_forbidden() {
        let refused = |kind: ErrorKind| refused(Path::new(DEVICE), &kind.into());
        assert_eq!(refused(ErrorKind::NotFound), "there is no /dev/kvm");
        assert!(refused(ErrorKind::PermissionDenied).contains("not for us"));
    }

    #[test]
    fn a_kvm_that_is_hardly_faster_than_emulation_is_not_used() {
        let proof = |kvm, tcg| compared(Duration::from_millis(kvm), Ok(Duration::from_millis(tcg)));
        assert_eq!(proof(100, 1500).accelerator, Accelerator::Kvm);
        assert_eq!(proof(750, 1500).accelerator, Accelerator::Kvm);
        let slow = proof(751, 1500);
        assert_eq!(slow.accelerator, Accelerator::Tcg);
        assert!(slow.because.contains("implausibly slow (nested?)"), "{slow:?}");
    }
}
