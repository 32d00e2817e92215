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
dpkg --install /rrun.deb
rrun --version
[ -x /usr/bin/containerd-shim-rrun-v2 ]
containerd-shim-rrun-v2 -v

# A container, limited in its processes, from nothing but the package and busybox.
mkdir -p /b/rootfs/bin
cp /bin/busybox /b/rootfs/bin/
ln -s busybox /b/rootfs/bin/sh
cp /usr/share/doc/rrun/examples/hello/config.json /b/
expect "hello" "hello from a container, process 1" "$(rrun run --bundle /b hello </dev/null)"
expect "list" "" "$(rrun list --quiet)"
rrun explain --bundle /b hello >/dev/null
rrun doctor >/dev/null || [ $? -eq 1 ]

# Every verb has a page that renders, and completions load.
for verb in '' $(rrun --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/-\1/p' | grep -v '^-help$'); do
    man --warnings "rrun$verb" >/dev/null 2>/warnings
    [ ! -s /warnings ] || { echo "rrun$verb: $(cat /warnings)" >&2; exit 1; }
done
bash -ec '. /usr/share/bash-completion/completions/rrun; complete -p rrun >/dev/null'

# Whoever removes it has nothing of it left.
dpkg --purge rrun
! dpkg --listfiles rrun 2>/dev/null
left=$(find / -xdev -name '*rrun*' -not -path '/rrun.deb' -not -path '/var/*' -not -path '/proc/*')
expect "left" "" "$left"
echo "installed, used and removed"
INSIDE
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 bash -eu /inside.sh
