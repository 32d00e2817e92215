//! What of a container is the host's, and so not in a checkpoint of it: by its place inside, the source it is restored
//! from.
//!
//! It decides from the configuration alone; what is mounted indeed, the kernel tells. What a newcomer would get wrong: more
//! may be named here than there is (a masked path that the image lacks), but nothing less, or CRIU refuses the images.

use crate::host::Host;
use crate::plan::cgroup::{CgroupPlan, Place};
use crate::plan::devices;
use crate::spec::{FsType, Namespace, Spec};

/// Something of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is in the container.
    pub inside: String,
    /// Where it is on the host.
    pub outside: String,
    /// With what is mounted below it.
    pub recursive: bool,
    /// It is a mount for certain, not only where a file was to be hidden or a node could not be made.
    pub certain: bool,
}

/// All of it, for a container of `spec` in `cgroup`.
#[must_use]
pub fn sources(spec: &Spec, host: &Host, cgroup: &CgroupPlan) -> Vec<Source> {
    let mut all = Vec::new();
    let mut add = |inside: String, outside: String, recursive, certain| {
        all.push(Source { inside, outside, recursive, certain });
    };
    for mount in &spec.mounts {
        let inside = mount.destination.as_str();
        match &mount.kind {
            FsType::Bind { source, recursive } => {
                add(inside.to_owned(), source.to_string(), *recursive, true);
            }
            FsType::Cgroup if !host.cgroup.v1.is_empty() => {
                for Place { mount, path, .. } in
                    cgroup.v1.iter().map(|v1| &v1.place).chain(&cgroup.unified)
                {
                    let Some(name) = mount.file_name() else { continue };
                    let inside = format!("{inside}/{}", name.to_string_lossy());
                    add(inside, format!("{}{path}", mount.display()), false, true);
                }
            }
            FsType::Cgroup
                if spec.namespaces.cgroup == Namespace::Inherit
                    && (spec.namespaces.user != Namespace::Inherit || !host.is_machine_root()) =>
            {
                if let Some(unified) = &host.cgroup.unified {
                    add(inside.to_owned(), unified.mount.display().to_string(), true, true);
                }
            }
            FsType::Cgroup | FsType::Remount | FsType::New { .. } => {}
        }
    }
    for path in &spec.masked_paths {
        add(path.as_str().to_owned(), "/dev/null".into(), false, false);
    }
    let nodes = spec.devices.iter().map(|node| node.path.as_str());
    for path in devices::defaults().chain(nodes) {
        add(path.to_owned(), path.to_owned(), false, false);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContainerId;
    use crate::plan::{Plan, Request};
    use std::path::Path;

    fn listed(host: &Host, config: &str) -> Vec<String> {
        let spec = Spec::parse(config.as_bytes(), Path::new("/b")).expect("a configuration");
        let id = ContainerId::new("web").expect("an id");
        let plan = Plan::create(&id, &spec, host, &Request::default()).expect("a plan");
        let cgroup = plan.cgroup.expect("a cgroup");
        let named = sources(&spec, host, &cgroup).into_iter();
        named.map(|one| format!("{} < {}", one.inside, one.outside)).collect()
    }

    const CONFIG: &str = r#"{"ociVersion": "1.3.0", "root": {"path": "rootfs"},
        "process": {"args": ["/x"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "mounts": [
            {"destination": "/data", "source": "/srv", "options": ["rbind"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}],
        "linux": {"cgroupsPath": "/rrun/web", "maskedPaths": ["/proc/kcore"],
            "resources": {"pids": {"limit": 9}},
            "namespaces": [{"type": "mount"}, {"type": "cgroup"}, {"type": "pid"}]}}"#;

    #[test]
    fn binds_and_masks_are_the_hosts_and_a_tmpfs_is_not() {
        let listed = listed(&Host::fixture(), CONFIG);
        assert_eq!(listed[..2], ["/data < /srv", "/proc/kcore < /dev/null"]);
        assert!(listed.contains(&"/dev/urandom < /dev/urandom".to_owned()), "{listed:?}");
        assert!(!listed.iter().any(|one| one.starts_with("/tmp") || one.contains("cgroup")));
    }

    #[test]
    fn on_a_hybrid_host_so_is_each_hierarchy_that_is_shown() {
        let listed = listed(&Host::hybrid_fixture(), CONFIG);
        for hierarchy in ["pids", "unified"] {
            let root = format!("/sys/fs/cgroup/{hierarchy}");
            assert!(listed.contains(&format!("{root} < {root}/rrun/web")), "{listed:?}");
        }
    }
}
