#!/bin/sh
# Serves public/ on $PORT until stdin ends, as a development server does; without modules there is nothing to serve.
set -eu
cd /app
if [ ! -f node_modules/portfolio/index.js ]; then
    echo "serve: node_modules is empty" >&2
    exit 1
fi
httpd -f -p "$PORT" -h public &
echo "serve: listening on $PORT, NODE_ENV=$NODE_ENV"
# With stdin closed this ends at once: compose's stdin_open is what keeps it open.
cat >/dev/null
echo "serve: stdin has ended"
kill $!
