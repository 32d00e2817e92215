//! Every word that the parser of config.json recognises, for `rrun features`.
//!
//! It knows the tables of this layer, and says what they say: there is no second list to keep true.
//! What a newcomer would get wrong: recognised does not mean that this host can do it; that is not what `features` asks.

use super::{capabilities::CapSet, memory_policy, namespaces, options, seccomp};

fn names<T>(table: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _)| *name)
}

/// `mounts[].options`, but for those that the file systems themselves understand.
pub fn mount_options() -> impl Iterator<Item = &'static str> {
    options::mount_options()
}

/// `linux.namespaces[].type`
pub fn namespaces() -> impl Iterator<Item = &'static str> {
    names(namespaces::KINDS)
}

/// `process.capabilities`, by number.
#[must_use]
pub fn capabilities() -> Vec<String> {
    CapSet::known().names()
}

/// `linux.seccomp.syscalls[].action`
pub fn seccomp_actions() -> impl Iterator<Item = &'static str> {
    names(seccomp::ACTIONS)
}

/// `linux.seccomp.syscalls[].args[].op`
pub fn seccomp_operators() -> impl Iterator<Item = &'static str> {
    names(seccomp::OPERATORS)
}

/// `linux.seccomp.architectures`
pub fn seccomp_architectures() -> impl Iterator<Item = &'static str> {
    names(seccomp::ARCHS)
}

/// `linux.seccomp.flags`
pub fn seccomp_flags() -> impl Iterator<Item = &'static str> {
    names(seccomp::FLAGS)
}

/// `linux.memoryPolicy.mode`
pub fn memory_modes() -> impl Iterator<Item = &'static str> {
    names(memory_policy::MODES)
}

/// `linux.memoryPolicy.flags`
pub fn memory_flags() -> impl Iterator<Item = &'static str> {
    names(memory_policy::FLAGS)
}

/// `hooks`, in the order in which they run.
pub fn hooks() -> impl Iterator<Item = &'static str> {
    use super::HookPhase::{
        CreateContainer, CreateRuntime, Poststart, Poststop, Prestart, StartContainer,
    };
    [Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop]
        .into_iter()
        .map(super::HookPhase::name)
}
