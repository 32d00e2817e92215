//! The flags of `checkpoint` and `restore`.
//!
//! What a newcomer would get wrong: those of [`IMAGES`] must mostly be given twice, when a container is written and when
//! it is read.

use super::tables::{switch, value};
use super::{Flag, Takes};

/// The program, before the verb.
pub(in crate::cmd::args::flags) const CRIU: Flag =
    value("criu", None, "PATH", "The program criu [default: on PATH]");

/// What both take.
pub(in crate::cmd::args::flags) const IMAGES: &[Flag] = &[
    value("image-path", None, "DIR", "Where the images are [default: ./checkpoint]"),
    value("work-path", None, "DIR", "Where CRIU logs and works [default: with the images]"),
    switch("tcp-established", None, "Keep TCP connections"),
    switch("ext-unix-sk", None, "Allow Unix sockets connected to the outside"),
    switch("shell-job", None, "Its terminal is the caller's"),
    switch("file-locks", None, "Keep file locks"),
    switch("lazy-pages", None, "Fetch memory when it is touched"),
    switch("auto-dedup", None, "Remove pages from earlier images that later ones have"),
    value("manage-cgroups-mode", None, "MODE", "soft, full, strict or ignore [default: soft]"),
    Flag {
        takes: Takes::Values,
        ..value("empty-ns", None, "NAMESPACE", "Restore this namespace empty: network")
    },
    value("network-lock", None, "HOW", "iptables, nftables or skip [default: CRIU's]"),
];

/// What `checkpoint` takes beside.
pub(in crate::cmd::args::flags) const DUMPING: &[Flag] = &[
    value("parent-path", None, "DIR", "Earlier images, as seen from --image-path"),
    switch("leave-running", None, "Let the container go on"),
    switch("tcp-skip-in-flight", None, "Leave half-open TCP connections out"),
    switch("link-remap", None, "Give files without a name one"),
    value("status-fd", None, "FD", "Write a byte there when memory can be fetched"),
    value("page-server", None, "ADDRESS:PORT", "Send memory there"),
    switch("pre-dump", None, "Write memory only, and let the container go on"),
];

/// What `restore` takes beside.
pub(in crate::cmd::args::flags) const RESTORING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
    value("console-socket", None, "PATH", "Socket that gets the terminal"),
    value("pid-file", None, "FILE", "Where to write the pid"),
    switch("detach", Some('d'), "Return once it runs"),
    switch("keep", None, "Do not delete the container when it has ended"),
    switch("no-subreaper", None, "Do not adopt the container's orphans"),
    switch("no-pivot", None, "Taken for runc's sake: the root is as it was"),
    switch("tcp-close", None, "Restore TCP connections closed"),
    value("lsm-profile", None, "TYPE:NAME", "Another profile: apparmor:NAME or selinux:LABEL"),
    value("lsm-mount-context", None, "CONTEXT", "Another SELinux context for mounts"),
];
