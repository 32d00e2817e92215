//! What may be asked of CRIU: the caller's wishes, and their fields in `criu_opts` of CRIU's rpc.proto.
//!
//! It knows numbers and words. It refuses to know containers. What a newcomer would get wrong: the words of
//! `--manage-cgroups-mode` are CRIU's, but its default is not one of them: *soft* is, what exists is left as it is.

use super::message::Message;

/// Numbers of the fields of `criu_opts` that are no one's wish but follow from the container.
pub mod field {
    /// A descriptor of ours.
    pub const IMAGES_DIR_FD: u32 = 1;
    /// Whom to dump, with all below.
    pub const PID: u32 = 2;
    /// A device may be found by another name.
    pub const EVASIVE_DEVICES: u32 = 6;
    /// 4 is everything.
    pub const LOG_LEVEL: u32 = 9;
    /// A name in the working directory.
    pub const LOG_FILE: u32 = 10;
    /// We want to be told.
    pub const NOTIFY_SCRIPTS: u32 = 12;
    /// The root file system, a mount.
    pub const ROOT: u32 = 13;
    /// A descriptor of ours.
    pub const WORK_DIR_FD: u32 = 17;
    /// Pairs: where in the container; a name, or on restore a source.
    pub const EXT_MNT: u32 = 23;
    /// What [`CgroupMode`] was before.
    pub const MANAGE_CGROUPS: u32 = 24;
    /// Pairs: a controller; what its cgroups are below now.
    pub const CG_ROOT: u32 = 25;
    /// The restored process is our child.
    pub const RST_SIBLING: u32 = 26;
    /// Pairs: what it was; a descriptor of its own.
    pub const INHERIT_FD: u32 = 27;
    /// What is not dumped, by its kind and key.
    pub const EXTERNAL: u32 = 37;
    /// Pairs: a kind of namespace; a file.
    pub const JOIN_NS: u32 = 39;
    /// Whom to freeze.
    pub const FREEZE_CGROUP: u32 = 44;
    /// We take the masters of terminals.
    pub const ORPHAN_PTS_MASTER: u32 = 50;
}

/// `--manage-cgroups-mode`, with CRIU's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupMode {
    /// Nothing is done about cgroups.
    Ignore = 0,
    /// They must be there.
    None = 1,
    /// They must be there; their properties are set.
    Props = 2,
    /// Those that are missing are made, with their properties.
    #[default]
    Soft = 3,
    /// Those that are missing are made; the properties of all are set.
    Full = 4,
    /// None may be there.
    Strict = 5,
}

impl CgroupMode {
    /// Understands the option's value.
    ///
    /// # Errors
    /// The words there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "ignore" => Self::Ignore,
            "none" => Self::None,
            "props" => Self::Props,
            "soft" | "" => Self::Soft,
            "full" => Self::Full,
            "strict" => Self::Strict,
            _ => return Err("write soft, full, strict, ignore, none or props"),
        })
    }
}

/// `--network-lock`, with CRIU's numbers: how packets are kept away meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkLock {
    /// By iptables-restore.
    Iptables = 1,
    /// By libnftables.
    Nftables = 2,
    /// Not at all.
    Skip = 3,
}

impl NetworkLock {
    /// Understands the option's value.
    ///
    /// # Errors
    /// The words there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "iptables" => Self::Iptables,
            "nftables" => Self::Nftables,
            "skip" => Self::Skip,
            _ => return Err("write iptables, nftables or skip"),
        })
    }
}

/// Where memory is sent instead of written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageServer {
    /// A host.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// What the caller asks for, of a checkpoint or a restore.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The container goes on.
    pub leave_running: bool,
    /// TCP connections are kept.
    pub tcp_established: bool,
    /// TCP connections that are only half open are left out.
    pub tcp_skip_in_flight: bool,
    /// TCP connections are restored closed.
    pub tcp_close: bool,
    /// Unix sockets connected to the outside are allowed.
    pub ext_unix_sk: bool,
    /// The container's terminal is its caller's.
    pub shell_job: bool,
    /// File locks are kept.
    pub file_locks: bool,
    /// Memory follows when it is touched.
    pub lazy_pages: bool,
    /// Pages that a later image has are punched out of the earlier.
    pub auto_dedup: bool,
    /// Files without a name get one.
    pub link_remap: bool,
    /// Where memory goes.
    pub page_server: Option<PageServer>,
    /// Earlier images, as seen from these.
    pub parent: Option<String>,
    /// Memory only, and the container goes on.
    pub pre_dump: bool,
    /// What is done about cgroups.
    pub cgroups: CgroupMode,
    /// How packets are kept away.
    pub network_lock: Option<NetworkLock>,
    /// Namespaces (`CLONE_NEW*`) that are restored without what is in them.
    pub empty_namespaces: u32,
    /// The profile instead of the recorded one, `apparmor:NAME` or `selinux:LABEL`.
    pub lsm_profile: Option<String>,
    /// The SELinux context of mounts instead of the recorded one.
    pub lsm_mount_context: Option<String>,
    /// A file with more of CRIU's options.
    pub config_file: Option<String>,
}

impl Wishes {
    /// The message `criu_opts` with these in it.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut options = Message::default();
        options
            .flag(3, self.leave_running)
            .flag(4, self.ext_unix_sk)
            .flag(5, self.tcp_established)
            .flag(7, self.shell_job)
            .flag(8, self.file_locks)
            .optional(14, self.parent.as_deref())
            // What a later one shall leave out must be watched from now on.
            .flag(15, self.pre_dump || self.parent.is_some())
            .flag(16, self.auto_dedup)
            .flag(18, self.link_remap)
            .flag(46, self.tcp_skip_in_flight)
            .flag(48, self.lazy_pages)
            .optional(51, self.config_file.as_deref())
            .flag(52, self.tcp_close)
            .optional(53, self.lsm_profile.as_deref())
            .optional(63, self.lsm_mount_context.as_deref())
            .number(34, self.cgroups as i64)
            .flag(field::MANAGE_CGROUPS, self.cgroups != CgroupMode::Ignore);
        if let Some(PageServer { address, port }) = &self.page_server {
            let mut server = Message::default();
            server.text(1, address).number(2, i64::from(*port));
            options.message(11, &server);
        }
        if self.empty_namespaces != 0 {
            options.number(38, i64::from(self.empty_namespaces));
        }
        if let Some(lock) = self.network_lock {
            options.number(64, lock as i64);
        }
        options
    }
}
