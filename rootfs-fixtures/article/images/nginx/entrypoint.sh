#!/bin/sh
# nginx from the distribution's packages. Names are asked for at each request, of whoever answers names here: that is
# known only now, and a configuration says `include /etc/nginx/resolver.conf`.
set -eu
servers=$(sed -n 's/^nameserver  *\([0-9.]*\) *$/\1/p' /etc/resolv.conf | tr '\n' ' ')
echo "resolver ${servers:-127.0.0.1 }valid=1s ipv6=off;" >/etc/nginx/resolver.conf
exec "$@"
