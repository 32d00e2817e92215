//! What /proc says of a process that waits: rights, identities, mounts.
//!
//! What a newcomer would get wrong: a mount's own options stand before the dash, its filesystem's after it; a filesystem
//! that is writable may be mounted read-only, and that is what counts.

use std::fs;

/// Of /proc/PID/status, uid_map and mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Capabilities that it has.
    pub effective: u32,
    /// Capabilities that it, or what it executes, could get.
    pub bounding: u32,
    /// Whether executing a program can't give more rights.
    pub no_new_privileges: u32,
    /// Lines of uid_map, joined.
    pub users: String,
    /// Mounts, without those of cgroups.
    pub mounts: usize,
    /// Of these, the ones that can be written to.
    pub writable: usize,
}

impl Rights {
    /// Of a process.
    ///
    /// # Errors
    /// A sentence.
    pub fn of(pid: i32) -> Result<Self, String> {
        let read = |name: &str| {
            let file = format!("/proc/{pid}/{name}");
            fs::read_to_string(&file).map_err(|why| format!("read {file}: {why}"))
        };
        let status = read("status")?;
        let (mounts, writable) = mounts(&read("mountinfo")?);
        let users = read("uid_map")?;
        let users: Vec<String> = users
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        Ok(Self {
            effective: set(&status, "CapEff")?,
            bounding: set(&status, "CapBnd")?,
            no_new_privileges: set(&status, "NoNewPrivs")?,
            users: users.join(", "),
            mounts,
            writable,
        })
    }
}

/// How many bits a hexadecimal field has.
fn set(status: &str, name: &str) -> Result<u32, String> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.and_then(|value| u64::from_str_radix(value.trim(), 16).ok());
    value.map(u64::count_ones).ok_or_else(|| format!("status has no {name}"))
}

/// All, and those that can be written to. A machine's cgroup version decides how many mounts of cgroups there are, so
/// they are left out.
fn mounts(mountinfo: &str) -> (usize, usize) {
    let (mut all, mut writable) = (0, 0);
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(place), Some(options)) = (fields.next(), fields.next()) else { continue };
        if place.starts_with("/sys/fs/cgroup") {
            continue;
        }
        all += 1;
        writable += usize::from(options.split(',').any(|option| option == "rw"));
    }
    (all, writable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_counted_by_their_bits_and_whole_names() {
        let status =
            "CapInh:\t0\nCapEff:\t00000000a80425fb\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n";
        assert_eq!(set(status, "CapEff"), Ok(14));
        assert_eq!(set(status, "CapBnd"), Ok(0));
        assert_eq!(set(status, "NoNewPrivs"), Ok(1));
        assert_eq!(set(status, "Cap"), Err("status has no Cap".to_owned()));
    }

    #[test]
    fn a_mount_is_writable_by_its_own_options() {
        let text = "\
1 0 8:1 / / rw,relatime - ext4 /dev/sda ro
2 1 0:5 / /proc rw,nosuid - proc proc rw
3 1 0:6 / /sys ro,nosuid - sysfs sysfs rw
4 3 0:7 / /sys/fs/cgroup rw - cgroup2 cgroup rw
";
        assert_eq!(mounts(text), (3, 2));
    }
}
