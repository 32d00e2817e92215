#!/bin/sh
# What has to happen before the program, then the program in this process's place: signals reach it.
set -e
echo "start: $*"
exec "$@"
