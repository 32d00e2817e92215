# Installs the package that lies in the root $1, uses it there as a user would, and removes it.
# Runs in mount and pid namespaces of its own, which end with it.
root=$1
mount --rbind "$root" "$root"
for each in proc sys dev run; do mkdir -p "$root/$each"; done
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
cat > "$root/inside.sh" <<'INSIDE'
expect() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] || { echo "$1: expected $2, got $3" >&2; exit 1; }
}
# What the package is, before it is installed: root's files and nobody else's to write, none with the rights of its owner.
odd=$(dpkg-deb --fsys-tarfile /rrun.deb | tar --list --verbose --numeric-owner | grep -Ev \
    -e '^-rw-r--r-- 0/0 .* \./usr/share/' -e '^drwxr-xr-x 0/0 .* \./' \
    -e '^-rwxr-xr-x 0/0 .* \./usr/bin/(rrun|containerd-shim-rrun-v2)$' || :)
expect "owners and modes" "" "$odd"
before=$(find / -xdev | sort)

apt-get install --yes -qq /rrun.deb </dev/null >/dev/null
expect "checksums" "" "$(dpkg --verify rrun)"
rrun --version
[ -x /usr/bin/containerd-shim-rrun-v2 ]
# As containerd does: it looks for the name on PATH.
containerd-shim-rrun-v2 -v
version=$(dpkg-query --show --showformat='${Version}' rrun)
expect "the version of the package" "$(rrun --version | sed -n 's/^rrun version //p')" "${version%-*}"
expect "the newest entry of the changelog" "rrun ($version)" \
    "$(zcat /usr/share/doc/rrun/changelog.Debian.gz | sed -n '1s/).*/)/p')"
grep -q '^License: Apache-2.0' /usr/share/doc/rrun/copyright
grep -q 'Apache License' /usr/share/doc/rrun/copyright

# A container, limited in its processes, from nothing but the package and busybox.
mkdir -p /b/rootfs/bin
cp /bin/busybox /b/rootfs/bin/
ln -s busybox /b/rootfs/bin/sh
cp /usr/share/doc/rrun/examples/hello/config.json /b/
expect "hello" "hello from a container, process 1" "$(rrun run --bundle /b hello </dev/null)"
expect "list" "" "$(rrun list --quiet)"
rrun explain --bundle /b hello >/dev/null
# It is 1 where this host lacks something, and any other code is a failure of its own.
rrun doctor >/doctor || [ $? -eq 1 ]
[ "$(wc -l </doctor)" -gt 5 ]
rm -r /b /doctor

# Every verb has a page that renders, and completions load and complete.
for verb in '' $(rrun --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/-\1/p' | grep -v '^-help$'); do
    [ "$(man --warnings "rrun$verb" 2>/warnings | wc -l)" -gt 10 ]
    [ ! -s /warnings ] || { echo "rrun$verb: $(cat /warnings)" >&2; exit 1; }
done
rm /warnings
expect "completion" "explain" "$(bash -ec '
    # As an interactive shell does: what loads them finds them by the name of the program.
    . /usr/share/bash-completion/bash_completion
    _completion_loader rrun || [ $? -eq 124 ]
    COMP_WORDS=(rrun expl) COMP_CWORD=1
    $(complete -p rrun | sed "s/.* -F \([^ ]*\) .*/\1/") rrun expl rrun
    echo "${COMPREPLY[@]}"')"

# Whoever removes it has nothing of it left.
dpkg --purge rrun
! dpkg --listfiles rrun 2>/dev/null
expect "left" "" "$(find / -xdev -name '*rrun*' -not -path /rrun.deb -not -path '/var/cache/man/*')"
expect "left in cgroups" "" "$(find /sys/fs/cgroup -name hello)"
# Where containers were kept goes with the next boot; it is empty.
rmdir /run/rrun
# The databases of dpkg and man have been written anew, and their backups and logs with them.
expect "changed" "" "$(find / -xdev | sort | diff <(echo "$before") - | grep '^[<>]' | grep -v ' /var/\(lib/dpkg\|cache/man\|cache/apt\|lib/apt\|log\)/' || :)"
echo "installed, used and removed"
INSIDE
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 bash -eu /inside.sh
