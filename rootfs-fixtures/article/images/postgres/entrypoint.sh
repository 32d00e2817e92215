#!/bin/sh
# A database server from the distribution's packages, with the variables of the image whose name it bears:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and PGDATA. What is in the volume already is left as it is.
set -eu
programs=$(echo /usr/lib/postgresql/*/bin)
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
data=${PGDATA:-/var/lib/postgresql/data}
as_postgres() {
    su -s /bin/sh postgres -c "$1"
}

if [ -n "${1:-}" ] && [ "$1" != postgres ]; then
    exec "$@"
fi
mkdir -p "$data" /run/postgresql
chown postgres:postgres "$data" /run/postgresql
chmod 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "entrypoint: POSTGRES_PASSWORD must say the password of $user" >&2
        exit 1
    fi
    (umask 077 && echo "$POSTGRES_PASSWORD" >/run/postgresql/password)
    chown postgres /run/postgresql/password
    as_postgres "$programs/initdb --no-sync -D '$data' --username='$user' --pwfile=/run/postgresql/password \
        --auth-local=trust --auth-host=scram-sha-256 --locale=C --encoding=UTF8"
    rm /run/postgresql/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    if [ "$database" != postgres ]; then
        as_postgres "echo 'create database \"$database\"' | $programs/postgres --single -D '$data' postgres"
    fi
fi
exec su -s /bin/sh postgres -c "exec $programs/postgres -D '$data' -c 'listen_addresses=*' \
    -c unix_socket_directories=/run/postgresql"
