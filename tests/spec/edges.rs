//! Edge cases of the document itself and of `hooks`.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};

const TOP: &[Case] = &[
    ("unknown-top", &[("/xUnknown", r#"{"a": 1}"#)], Parses(|_| true)),
    ("no-process", &[("/process", "")], Parses(|s| s.process.is_none())),
    (
        "no-ociVersion",
        &[("/ociVersion", "")],
        Fails(r#"this field is required (at /ociVersion); add it"#),
    ),
    ("ociVersion-dev", &[("/ociVersion", r#""1.0.2-dev""#)], Parses(|s| s.version == "1.0.2-dev")),
    ("ociVersion-later", &[("/ociVersion", r#""1.9.0+x""#)], Parses(|_| true)),
    (
        "emptyVersion",
        &[("/ociVersion", r#""""#)],
        Fails(r#""" is no version (at /ociVersion); write it as 1.3.0"#),
    ),
    (
        "ociVersion-2",
        &[("/ociVersion", r#""2.0.0""#)],
        Fails(
            r#""2.0.0" is not a version of the runtime-spec that rrun knows (at /ociVersion); use 1.0.0 to 1.3.0"#,
        ),
    ),
    ("no-root", &[("/root", "")], Fails(r#"this field is required (at /root); add it"#)),
    ("root-null", &[("/root", "null")], Fails(r#"this field is required (at /root); add it"#)),
    ("root-ro-null", &[("/root/readonly", "null")], Parses(|s| !s.rootfs_readonly)),
    ("root-relative", &[], Parses(|s| s.rootfs.to_string() == "/bundle/rootfs")),
    ("root-absolute", &[("/root/path", r#""/r""#)], Parses(|s| s.rootfs.to_string() == "/r")),
    (
        "root-empty",
        &[("/root/path", r#""""#)],
        Fails("the path is empty (at /root/path); name a directory"),
    ),
    (
        "root-readonly-on-the-host",
        &[("/root/readonly", "true"), ("/linux/namespaces", "[]")],
        Parses(|s| s.rootfs_readonly && !s.namespaces.mount.is_apart()),
    ),
    (
        "hostname",
        &[("/hostname", r#""h""#)],
        Fails(
            r#"this would change the host: the container has no uts namespace (at /hostname); add {"type": "uts"} to linux.namespaces, or leave this out"#,
        ),
    ),
    (
        "hostname-uts",
        &[("/hostname", r#""h""#), ("/linux/namespaces", r#"[{"type": "uts"}]"#)],
        Parses(|s| s.hostname.as_deref() == Some("h")),
    ),
    ("hostname-empty", &[("/hostname", r#""""#)], Parses(|s| s.hostname.is_none())),
    (
        "domainname",
        &[("/domainname", r#""d""#)],
        Fails(
            r#"this would change the host: the container has no uts namespace (at /domainname); add {"type": "uts"} to linux.namespaces, or leave this out"#,
        ),
    ),
    ("annotations", &[("/annotations", r#"{"a": ""}"#)], Parses(|s| s.annotations["a"].is_empty())),
    (
        "annotation-empty-key",
        &[("/annotations", r#"{"": "x"}"#)],
        Fails(r#"the key of an annotation is empty (at /annotations/); name it"#),
    ),
    ("annotation-null", &[("/annotations", "null")], Parses(|s| s.annotations.is_empty())),
    (
        "windows",
        &[("/windows", r#"{"layerFolders": ["a"], "cpu": {}}"#)],
        Warns("ignored: this is a Linux runtime (at /windows)", |_| true),
    ),
    (
        "solaris",
        &[("/solaris", r#"{"milestone": "x"}"#)],
        Warns("ignored: this is a Linux runtime (at /solaris)", |_| true),
    ),
    (
        "vm-hwConfig",
        &[("/vm", r#"{"kernel": {"path": "/k"}, "hwConfig": {"vcpus": 1, "memory": 2}}"#)],
        Fails("rrun runs no virtual machines (at /vm); leave this out, or use a runtime that does"),
    ),
    (
        "hooks",
        &[(
            "/hooks",
            r#"{"prestart": [{"path": "/a", "args": ["x"], "env": ["A=b"], "timeout": 5}], "createRuntime": [{"path": "/a"}], "poststop": []}"#,
        )],
        Parses(|s| {
            s.hooks.prestart[0].timeout.is_some_and(|t| t.as_secs() == 5)
                && s.hooks.prestart[0].args == ["x"]
                && s.hooks.create_runtime[0].args == ["/a"]
        }),
    ),
    (
        "hook-timeout-neg",
        &[("/hooks", r#"{"poststop": [{"path": "/a", "timeout": -1}]}"#)],
        Fails(
            "a timeout must be greater than zero (at /hooks/poststop/0/timeout); give it in seconds, or leave it out to wait without end",
        ),
    ),
    (
        "hook-relative",
        &[("/hooks", r#"{"prestart": [{"path": "a"}]}"#)],
        Fails(r#""a" is not an absolute path (at /hooks/prestart/0/path); begin it with '/'"#),
    ),
];

#[test]
fn the_document_and_hooks_mean_what_was_decided() {
    super::check(TOP);
}
