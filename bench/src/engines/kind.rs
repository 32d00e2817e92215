//! Who is compared: our shim, containerd's own with our runtime, and with runc.
//!
//! It refuses containerd's shim of anywhere but a distribution's package. What a newcomer would get wrong: "rrun in
//! containerd" is two things, and the shim costs more than the runtime.

use crate::programs::Programs;
use containerd_shim_protos::shim::oci;
use protobuf::Message;
use protobuf::well_known_types::any::Any;
use rrun_harness::engines::Set;
use std::path::PathBuf;

/// The shim that runs containers in its own process.
pub const OURS: &str = "shim rrun";
/// containerd's shim, which starts `rrun` for each call.
pub const BETWEEN: &str = "runc's shim, rrun";
/// containerd's shim, which starts `runc` for each call.
pub const THEIRS: &str = "runc's shim, runc";

/// A shim's program and the runtime that it starts, if it does.
#[derive(Debug, Clone)]
pub struct Kind {
    /// As the table calls it.
    pub label: &'static str,
    /// The shim.
    pub program: PathBuf,
    /// `BinaryName`.
    pub runtime: Option<PathBuf>,
}

impl Kind {
    /// What Create is told, as containerd tells it.
    #[must_use]
    pub fn options(&self) -> Option<Any> {
        let runtime = self.runtime.as_ref()?;
        let options = oci::Options {
            binary_name: runtime.to_string_lossy().into_owned(),
            ..Default::default()
        };
        Some(Any {
            type_url: "containerd.runc.v1.Options".to_owned(),
            value: options.write_to_bytes().unwrap_or_default(),
            ..Default::default()
        })
    }

    /// A word for names of files and cgroups.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.label {
            OURS => "ours",
            BETWEEN => "between",
            _ => "theirs",
        }
    }
}

/// All three, or those that can be had with the reason why the others can't.
#[must_use]
pub fn kinds(programs: &Programs) -> (Vec<Kind>, Option<String>) {
    let ours = Kind { label: OURS, program: programs.shim.clone(), runtime: None };
    match reference(programs) {
        Err(why) => (vec![ours], Some(why)),
        Ok((shim, runc)) => {
            let kind =
                |label, runtime| Kind { label, program: shim.clone(), runtime: Some(runtime) };
            (vec![ours, kind(BETWEEN, programs.rrun.clone()), kind(THEIRS, runc)], None)
        }
    }
}

/// containerd's shim of the newest set that is there, and runc of the same machine.
fn reference(programs: &Programs) -> Result<(PathBuf, PathBuf), String> {
    set()?;
    let shim = newest().program("containerd-shim-runc-v2");
    let shim = shim.ok_or("needs containerd-shim-runc-v2 of the package containerd")?;
    let runc = programs.runc.clone().or_else(|| Set::Own.program("runc"));
    Ok((shim, runc.ok_or("needs runc of the package runc")?))
}

/// # Errors
/// A sentence: the distribution's engines can't be had.
pub fn set() -> Result<(), String> {
    Set::Own.unpacked().map(|_| ())
}

/// Debian's sid where it can be had, which has containerd 2; else the distribution's.
#[must_use]
pub fn newest() -> Set {
    if Set::Sid.unpacked().is_ok() { Set::Sid } else { Set::Own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_that_is_the_runtime_is_told_of_none() {
        let ours = Kind { label: OURS, program: "/s".into(), runtime: None };
        assert_eq!(ours.options(), None);
        let theirs =
            Kind { label: THEIRS, program: "/s".into(), runtime: Some("/bin/runc".into()) };
        let any = theirs.options().unwrap_or_default();
        let told = oci::Options::parse_from_bytes(&any.value).unwrap_or_default();
        assert_eq!(told.binary_name, "/bin/runc");
        assert_eq!([ours.word(), theirs.word()], ["ours", "theirs"]);
    }
}
