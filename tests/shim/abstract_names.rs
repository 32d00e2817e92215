//! Which names of sockets a container sees that shares the host's network.

use super::stage::Stage;
use rrun_harness::{Bundle, requires};
use std::fs;

/// The names of the unix sockets that a process holds.
#[track_caller]
fn names(pid: &str) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = links.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let inodes: Vec<String> = links
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let held =
        lines.filter(|line| line.get(6).is_some_and(|inode| inodes.iter().any(|i| i == inode)));
    held.filter_map(|line| line.get(7).map(|name| (*name).to_owned())).collect()
}

#[test]
fn cve_2020_15257_a_container_of_the_hosts_network_sees_no_abstract_socket_of_its_shim() {
    requires!(root);
    let bundle = Bundle::new().without_namespace("network").args(["probe", "sleep"]);
    let stage = Stage::of(&bundle);
    let pid = stage.create(&bundle);
    let of_shim = names(&stage.shim.pid.to_string());
    // The file system's names begin with a slash, abstract ones with @.
    assert!(of_shim.iter().any(|name| *name == stage.shim.socket.display().to_string()));
    for name in of_shim.iter().chain(&names(&pid.to_string())) {
        assert!(name.starts_with('/'), "{name}");
    }
    stage.end(bundle.id());
}
