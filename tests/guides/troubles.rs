//! The messages that guides explain, provoked: a message that no engine says helps nobody who looks for it.
//!
//! Knows, for a page, what makes an engine say each message that can be had without systemd and without a cluster. What a
//! newcomer would get wrong: what goes wrong here must be put right again, for the machine is to end with nothing left.

use rrun_harness::Must;
use std::fs;

use crate::machine::Machine;
use crate::page;

/// A message of a page, and lines of shell that succeed, one of which says it.
struct Trouble {
    page: &'static str,
    /// Several, where each version of an engine has its own.
    messages: &'static [&'static str],
    lines: &'static str,
}

const ALL: &[Trouble] = &[
    Trouble {
        page: "containerd",
        messages: &["runtime \"io.containerd.rrun.v2\" binary not installed"],
        // It remembers where a shim is.
        lines: "mv /usr/local/bin/containerd-shim-rrun-v2 /run/\n\
            systemctl restart containerd\n\
            ctr run --rm --runtime io.containerd.rrun.v2 docker.io/library/busybox:latest t true || true\n\
            mv /run/containerd-shim-rrun-v2 /usr/local/bin/",
    },
    Trouble {
        page: "containerd",
        messages: &["executable file not found in $PATH"],
        lines: "ctr run --rm --runtime io.containerd.rrun.v2 docker.io/library/busybox:latest t nope || true\n",
    },
    Trouble {
        page: "containerd",
        messages: &["executable file not found in $PATH"],
        lines: "ctr run --rm --runtime io.containerd.runc.v2 --runc-binary rrun-nope \
            docker.io/library/busybox:latest t true || true\n",
    },
    Trouble {
        page: "containerd",
        messages: &["systemd's cgroups need cgroup v2 alone", "systemd can't be reached"],
        lines: "ctr run --rm --runtime io.containerd.runc.v2 --runc-binary /usr/local/bin/rrun --runc-systemd-cgroup \
            --cgroup a.slice:b:c docker.io/library/busybox:latest t true || true\n",
    },
    Trouble {
        page: "docker",
        messages: &["unknown or invalid runtime name: ", "Unknown runtime specified"],
        lines: "docker run --rm --runtime nope busybox true || true\n",
    },
    Trouble {
        page: "docker",
        messages: &["fork/exec /usr/local/bin/rrun: no such file or directory"],
        lines: "mv /usr/local/bin/rrun /run/moved\n\
            docker run --rm --name moved busybox true || true\n\
            mv /run/moved /usr/local/bin/rrun\n",
    },
    Trouble {
        page: "podman",
        messages: &["default OCI runtime \"rrun\" not found"],
        lines: "mv /usr/local/bin/rrun /run/moved\n\
            podman run --rm docker.io/library/busybox:latest true || true\n\
            mv /run/moved /usr/local/bin/rrun\n",
    },
];

/// Those of a page, after it has been followed.
#[track_caller]
pub fn provoke(name: &str, machine: &Machine) {
    let path = page::at(name);
    let text = fs::read_to_string(&path).must(&format!("read {}", path.display()));
    for Trouble { messages, lines, .. } in ALL.iter().filter(|trouble| trouble.page == name) {
        let output = machine.paste(lines).success();
        let said = output.stdout() + output.stderr();
        let message = messages.iter().find(|message| said.contains(*message));
        let message = message.must(&format!("find any of {messages:?} in\n{said}"));
        assert!(text.contains(message), "docs/{name}.md does not explain {message:?}");
    }
}
