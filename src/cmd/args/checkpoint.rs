//! The values of `checkpoint` and `restore`.
//!
//! It knows runc's words and crun's. It refuses to know which of them CRIU's version takes. What a newcomer would get
//! wrong: most flags must be given twice, when a container is written and when it is read; CRIU says so if one is
//! missing.

use super::taken::{Taken, wrong};
use crate::error::Result;
use crate::id::ContainerId;
use crate::launch::criu::options::{CgroupMode, NetworkLock, PageServer, Wishes};
use std::path::PathBuf;

/// Where images are without `--image-path`.
const DEFAULT_IMAGES: &str = "checkpoint";

/// `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointArgs {
    /// Which container.
    pub id: ContainerId,
    /// `--image-path`.
    pub images: PathBuf,
    /// `--work-path`.
    pub work: Option<PathBuf>,
    /// `--status-fd`.
    pub status: Option<u32>,
    /// The rest.
    pub wishes: Wishes,
}

/// `restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreArgs {
    /// The container's id, which need not be the one it had.
    pub id: ContainerId,
    /// `--bundle`; the working directory when absent.
    pub bundle: Option<PathBuf>,
    /// `--image-path`.
    pub images: PathBuf,
    /// `--work-path`.
    pub work: Option<PathBuf>,
    /// `--console-socket`.
    pub console_socket: Option<PathBuf>,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// `--detach`.
    pub detach: bool,
    /// `--keep`.
    pub keep: bool,
    /// `--no-subreaper`.
    pub no_subreaper: bool,
    /// `--no-pivot`. How the root was entered is in the images.
    pub no_pivot: bool,
    /// The rest.
    pub wishes: Wishes,
}

impl CheckpointArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let mut wishes = common(taken)?;
        wishes.parent = taken.text("parent-path")?.filter(|path| !path.is_empty());
        wishes.leave_running = taken.on("leave-running")?;
        wishes.tcp_skip_in_flight = taken.on("tcp-skip-in-flight")?;
        wishes.link_remap = taken.on("link-remap")?;
        wishes.pre_dump = taken.on("pre-dump")?;
        wishes.page_server = taken.parsed("page-server", page_server)?;
        let status = taken.number("status-fd")?;
        if wishes.pre_dump && wishes.lazy_pages {
            return Err(wrong("pre-dump", "true", "does not go with --lazy-pages")
                .hint("leave one of them away"));
        }
        let (images, work) = directories(taken)?;
        Ok(Self { id: taken.id()?, images, work, status, wishes })
    }
}

impl RestoreArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let mut wishes = common(taken)?;
        wishes.tcp_close = taken.on("tcp-close")?;
        wishes.lsm_profile = taken.parsed("lsm-profile", |text| match text.split_once(':') {
            Some(("apparmor" | "selinux", name)) if !name.is_empty() => Ok(text.to_owned()),
            _ => Err("write apparmor:NAME or selinux:LABEL"),
        })?;
        wishes.lsm_mount_context = taken.text("lsm-mount-context")?;
        let (images, work) = directories(taken)?;
        Ok(Self {
            id: taken.id()?,
            bundle: taken.path("bundle")?,
            images,
            work,
            console_socket: taken.path("console-socket")?,
            pid_file: taken.path("pid-file")?,
            detach: taken.on("detach")?,
            keep: taken.on("keep")?,
            no_subreaper: taken.on("no-subreaper")?,
            no_pivot: taken.on("no-pivot")?,
            wishes,
        })
    }
}

fn directories(taken: &mut Taken) -> Result<(PathBuf, Option<PathBuf>)> {
    let images = taken.path("image-path")?.unwrap_or_else(|| DEFAULT_IMAGES.into());
    // An engine without one says so with an empty value.
    let work = taken.text("work-path")?.filter(|path| !path.is_empty());
    Ok((images, work.map(PathBuf::from)))
}

fn common(taken: &mut Taken) -> Result<Wishes> {
    let mut empty_namespaces = 0;
    for name in taken.texts("empty-ns")? {
        if name != "network" {
            return Err(wrong("empty-ns", &name, "can't be restored empty").hint("write network"));
        }
        empty_namespaces |= libc::CLONE_NEWNET.cast_unsigned();
    }
    Ok(Wishes {
        tcp_established: taken.on("tcp-established")?,
        ext_unix_sk: taken.on("ext-unix-sk")?,
        shell_job: taken.on("shell-job")?,
        file_locks: taken.on("file-locks")?,
        lazy_pages: taken.on("lazy-pages")?,
        auto_dedup: taken.on("auto-dedup")?,
        cgroups: taken.parsed("manage-cgroups-mode", CgroupMode::parse)?.unwrap_or_default(),
        network_lock: taken.parsed("network-lock", NetworkLock::parse)?,
        empty_namespaces,
        ..Wishes::default()
    })
}

/// The address may be an IPv6 one in brackets.
fn page_server(text: &str) -> std::result::Result<PageServer, &'static str> {
    const FIX: &str = "write ADDRESS:PORT, such as 10.0.0.2:4242 or [::1]:4242";
    let (address, port) = text.rsplit_once(':').ok_or(FIX)?;
    let inner = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let address = inner.unwrap_or(address).to_owned();
    match port.parse() {
        Ok(port) if port != 0 && !address.is_empty() => Ok(PageServer { address, port }),
        _ => Err(FIX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_server_is_an_address_and_a_port() {
        let server = |address: &str| PageServer { address: address.into(), port: 27 };
        assert_eq!(page_server("10.0.0.2:27"), Ok(server("10.0.0.2")));
        assert_eq!(page_server("[::1]:27"), Ok(server("::1")));
        for wrong in ["", "27", "host", ":27", "host:0", "host:x", "host:70000"] {
            assert!(page_server(wrong).is_err(), "{wrong}");
        }
    }
}
