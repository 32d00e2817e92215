#!/bin/sh
# wait-for-it.sh HOST:PORT [-t SECONDS] -- COMMAND …: runs COMMAND when somebody listens there, or gives up.
set -u
host=${1%:*} port=${1##*:} patience=60
shift
if [ "$1" = -t ]; then
    patience=$2
    shift 2
fi
[ "$1" = -- ] && shift
# What was waited is counted in tries, for a clock may be set; a name that is unknown yet counts as nobody there.
tries=$((patience * 5))
until nc -w 1 "$host" "$port" -e true 2>/dev/null; do
    tries=$((tries - 1))
    if [ $tries -le 0 ]; then
        echo "wait-for-it: nobody listens at $host:$port after $patience s" >&2
        exit 1
    fi
    sleep 0.2
done
echo "wait-for-it: $host:$port is there"
exec "$@"
