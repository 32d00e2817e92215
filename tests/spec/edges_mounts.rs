//! Edge cases of `mounts`.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};
use rrun::spec::{FsType, IdMap, IdMapped, MountAttrs, Spec};

/// The first mount is a new file system with this data.
fn data(spec: &Spec, expected: &[&str]) -> bool {
    matches!(&spec.mounts[0].kind, FsType::New { data, .. } if data == expected)
}

fn bind(spec: &Spec, expected: &str, tree: bool) -> bool {
    matches!(&spec.mounts[0].kind, FsType::Bind { source, recursive }
        if source.to_string() == expected && *recursive == tree)
}

const MOUNTS: &[Case] = &[
    ("mounts-null", &[("/mounts", "null")], Parses(|s| s.mounts.is_empty())),
    (
        "mount-emptytype",
        &[("/mounts", r#"[{"destination": "/x", "source": "/s", "options": []}]"#)],
        Fails(
            r#"a mount that is no bind mount needs a type (at /mounts/0/type); name a file system, or add "bind" or "rbind" to the options"#,
        ),
    ),
    (
        "mountopts-null",
        &[("/mounts", r#"[{"destination": "/x", "type": "tmpfs", "options": null}]"#)],
        Parses(|s| data(s, &[]) && s.mounts[0].attrs == MountAttrs::default()),
    ),
    (
        "mount-reldest",
        &[("/mounts", r#"[{"destination": "x", "type": "tmpfs"}]"#)],
        Warns(r#""x" taken as "/x" (at /mounts/0/destination)"#, |s| {
            s.mounts[0].destination.as_str() == "/x"
        }),
    ),
    (
        "mount-unknown-option",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "type": "tmpfs", "options": ["size=1k,mode=700", "huge=always"]}]"#,
        )],
        Parses(|s| data(s, &["size=1k", "mode=700", "huge=always"])),
    ),
    (
        "bind-unknown-option",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "source": "/s", "options": ["ro", "size=1k", "bind"]}]"#,
        )],
        Warns(r#""size=1k" has no effect on a bind mount (at /mounts/0/options/1)"#, |s| {
            bind(s, "/s", false) && s.mounts[0].attrs.set == 1
        }),
    ),
    (
        "bind-joined-data-with-a-word",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "source": "/s", "options": ["bind", "size=1k,nosuid"]}]"#,
        )],
        Fails(
            r#""size=1k,nosuid" is no option of a bind mount (at /mounts/0/options/1); remove it"#,
        ),
    ),
    (
        "links-left-alone",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "source": "/s", "options": ["bind", "copy-symlink", "src-nofollow", "dest-nofollow"]}]"#,
        )],
        Parses(|s| {
            let links = s.mounts[0].links;
            links.copy && links.source && links.target
        }),
    ),
    (
        "links-of-a-new-file-system",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "type": "tmpfs", "options": ["src-nofollow", "dest-nofollow"]}]"#,
        )],
        Fails(r#""dest-nofollow" is an option of binds alone (at /mounts/0/options/1); remove it"#),
    ),
    (
        "idmap-word",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "source": "/s", "options": ["bind", "idmap=uids=0-1000-5#5-2000-1;gids=0-3000-9"]}]"#,
        )],
        Parses(|s| {
            let map = |container_id, host_id, size| IdMap { container_id, host_id, size };
            let uid = vec![map(0, 1000, 5), map(5, 2000, 1)];
            let expected = IdMapped { uid, gid: vec![map(0, 3000, 9)], recursive: false };
            s.mounts[0].idmap.as_ref() == Some(&expected)
        }),
    ),
    (
        "ridmap-word-relative-to-the-container",
        &[
            ("/linux/namespaces", r#"[{"type": "mount"}, {"type": "user"}]"#),
            (
                "/linux/uidMappings",
                r#"[{"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 1, "hostID": 2, "size": 1000}]"#,
            ),
            ("/linux/gidMappings", r#"[{"containerID": 0, "hostID": 7, "size": 1}]"#),
            (
                "/mounts",
                r#"[{"destination": "/x", "source": "/s", "options": ["rbind", "ridmap=uids=@1-3-10;gids=@9-0-1"]}]"#,
            ),
        ],
        Parses(|s| {
            let map = |container_id, host_id, size| IdMap { container_id, host_id, size };
            let (uid, gid) = (vec![map(1, 4, 10)], vec![map(9, 7, 1)]);
            s.mounts[0].idmap == Some(IdMapped { uid, gid, recursive: true })
        }),
    ),
    (
        "bind-by-type",
        &[("/mounts", r#"[{"destination": "/x", "type": "bind", "source": "s"}]"#)],
        Parses(|s| bind(s, "/bundle/s", false)),
    ),
    (
        "bind-whatever-the-type",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "type": "ext4", "source": "/s", "options": ["rbind"]}]"#,
        )],
        Parses(|s| bind(s, "/s", true)),
    ),
    (
        "bind-no-source",
        &[("/mounts", r#"[{"destination": "/x", "options": ["bind"]}]"#)],
        Fails(r#"this field is required (at /mounts/0/source); add it"#),
    ),
    (
        "bind-sync",
        &[("/mounts", r#"[{"destination": "/x", "source": "/s", "options": ["bind", "sync"]}]"#)],
        Warns(r#""sync" has no effect on a bind mount (at /mounts/0/options/1)"#, |_| true),
    ),
    (
        "remount",
        &[("/mounts", r#"[{"destination": "/x", "options": ["bind", "remount", "ro"]}]"#)],
        Parses(|s| s.mounts[0].kind == FsType::Remount && s.mounts[0].attrs.set == 1),
    ),
    (
        "ro-of-memory",
        &[("/mounts", r#"[{"destination": "/x", "type": "sysfs", "options": ["ro"]}]"#)],
        Parses(|s| matches!(&s.mounts[0].kind, FsType::New { flags, .. } if flags.is_empty())),
    ),
    (
        "ro-of-a-disk",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "type": "ext4", "source": "/dev/x", "options": ["ro", "sync"]}]"#,
        )],
        Parses(
            |s| matches!(&s.mounts[0].kind, FsType::New { flags, .. } if flags == &["sync", "ro"]),
        ),
    ),
    (
        "tmpcopyup-elsewhere",
        &[("/mounts", r#"[{"destination": "/x", "type": "proc", "options": ["tmpcopyup"]}]"#)],
        Fails(r#""tmpcopyup" is an option of tmpfs alone (at /mounts/0/options/0); remove it"#),
    ),
    (
        "idmap-mount",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "type": "bind", "source": "/s", "options": ["rbind", "ridmap"], "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}]"#,
        )],
        Parses(|s| {
            s.mounts[0].idmap.as_ref().is_some_and(|map| map.recursive && map.uid.len() == 1)
        }),
    ),
    (
        "idmap-half",
        &[(
            "/mounts",
            r#"[{"destination": "/x", "source": "/s", "options": ["bind"], "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}]"#,
        )],
        Fails(
            r#"uidMappings and gidMappings only work together (at /mounts/0/gidMappings); add this one, or leave out the other"#,
        ),
    ),
    (
        "idmap-of-nothing",
        &[("/mounts", r#"[{"destination": "/x", "source": "/s", "options": ["bind", "idmap"]}]"#)],
        Fails(
            r#"no ids to map: the mount has no maps, and the container no user namespace (at /mounts/0/uidMappings); add uidMappings and gidMappings, or remove "idmap" from the options"#,
        ),
    ),
];

#[test]
fn a_mount_means_what_was_decided() {
    super::check(MOUNTS);
}
