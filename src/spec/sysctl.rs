//! `linux.sysctl`: only what belongs to a namespace of the container.
//!
//! It knows which kernel parameters are per namespace. It refuses to know whether this kernel has them.
//! What a newcomer would get wrong: a name becomes a path below `/proc/sys`, so `net/../kernel/x` must never get through,
//! and in `net/ipv4/conf/eth0.1/forwarding` the dot is part of an interface's name.

use super::at::At;
use super::namespaces::{NamespaceKind, Namespaces};
use super::wire;
use crate::error::Result;
use std::collections::BTreeMap;

/// One of `linux.sysctl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Its JSON pointer: its name as it was written, with dots or with slashes.
    pub pointer: String,
    /// What is written to its file.
    pub value: String,
}

/// The IPC parameters of `kernel`, all others of which are the machine's: ipc_namespaces(7).
const IPC: &[&str] = &[
    "msgmax",
    "msgmnb",
    "msgmni",
    "msg_next_id",
    "sem",
    "sem_next_id",
    "shmall",
    "shmmax",
    "shmmni",
    "shm_next_id",
    "shm_rmid_forced",
];

/// Path below `/proc/sys` to value; each belongs to a namespace that is not the host's.
pub(super) fn read(
    at: At<'_>,
    entries: Option<wire::Entries<wire::Text<'_>>>,
    namespaces: &Namespaces,
) -> Result<BTreeMap<String, Sysctl>> {
    let mut result = BTreeMap::new();
    for (name, value) in entries.unwrap_or_default().0 {
        let at = at.key(&name);
        let path = path(&name);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
            return Err(at
                .wrong(format!("{name:?} is no kernel parameter"))
                .hint("write it as net.ipv4.ip_forward or net/ipv4/ip_forward"));
        }
        namespaces.require(owner(&at, &path)?, &at)?;
        let setting = Sysctl { pointer: at.pointer(), value: value.into_string() };
        if result.insert(path, setting).is_some() {
            let message = format!("{name:?} is given twice, with dots and with slashes");
            return Err(at.wrong(message).hint("remove one of the two"));
        }
    }
    Ok(result)
}

/// As sysctl(8) reads a name: the first separator is the separator, the other one is just a character.
fn path(name: &str) -> String {
    match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// The namespace that has the parameter.
fn owner(at: &At<'_>, path: &str) -> Result<NamespaceKind> {
    let (area, rest) = path.split_once('/').unwrap_or((path, ""));
    match (area, rest) {
        ("net", _) => Ok(NamespaceKind::Network),
        ("user", _) => Ok(NamespaceKind::User),
        ("fs", _) if rest.starts_with("mqueue/") => Ok(NamespaceKind::Ipc),
        ("kernel", name) if IPC.contains(&name) => Ok(NamespaceKind::Ipc),
        ("kernel", "domainname") => Ok(NamespaceKind::Uts),
        ("kernel", "hostname") => {
            Err(at.wrong("the host name has a field of its own").hint("use \"hostname\""))
        }
        _ => Err(at
            .wrong("this kernel parameter belongs to the whole machine, not to a namespace")
            .hint("set it on the host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::namespaces::Namespace;

    fn check(name: &str) -> std::result::Result<String, String> {
        let json = format!("{{{name:?}: \"1\"}}");
        let entries = serde_json::from_str(&json).expect("JSON");
        let namespaces = Namespaces { network: Namespace::New, ..Namespaces::default() };
        match read(At::DOCUMENT, Some(entries), &namespaces) {
            Ok(map) => Ok(map.into_keys().collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn both_spellings_become_a_path() {
        assert_eq!(check("net.ipv4.ip_forward"), Ok("net/ipv4/ip_forward".into()));
        assert_eq!(check("net/ipv4/conf/a.1/x"), Ok("net/ipv4/conf/a.1/x".into()));
        assert_eq!(check("net.ipv4.conf.a/1.x"), Ok("net/ipv4/conf/a.1/x".into()));
    }

    #[test]
    fn nothing_leads_out_of_proc_sys() {
        for name in ["net/../kernel/core_pattern", "net..x", "/net/x", "net/x/", "net/./x", ""] {
            assert!(check(name).is_err_and(|e| e.contains("is no kernel parameter")), "{name}");
        }
    }

    #[test]
    fn a_parameter_of_the_host_is_refused() {
        for name in
            ["kernel.sem", "fs.mqueue.msg_max", "user.max_net_namespaces", "kernel.domainname"]
        {
            assert!(
                check(name).is_err_and(|e| e.starts_with("this would change the host")),
                "{name}"
            );
        }
        for name in ["vm.swappiness", "kernel.core_pattern", "kernel.shm", "fs.mqueue", "kernel"] {
            assert!(check(name).is_err_and(|e| e.contains("the whole machine")), "{name}");
        }
        assert_eq!(
            check("kernel.hostname"),
            Err("the host name has a field of its own (at /kernel.hostname); use \"hostname\""
                .into())
        );
    }
}
