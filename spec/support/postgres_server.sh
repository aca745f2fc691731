#!/bin/sh
# postgres_server: a Postgres server for one spec: initialised in a folder, started, and ended
# with this script's standard input. postgres_server.sh FOLDER PORT [SETTING=VALUE ...].
# Writes the server's process id to FOLDER/pid when it takes connections, 0 if it does not
# start, and what goes wrong to FOLDER/log. The server's user is postgres, because it refuses root.
set -u
folder=$1
port=$2
shift 2

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups env -i PATH="$bin:$PATH" \
            HOME="$folder" LC_ALL=C "$@"
    else
        env -i PATH="$bin:$PATH" HOME="$folder" LC_ALL=C "$@"
    fi
}

mkdir -p "$folder"
: >>"$folder/log"
[ "$(id -u)" = 0 ] && chown postgres "$folder" "$folder/log"
chmod 755 "$folder"
cd "$folder" || exit 1
if [ ! -d "$folder/data" ]; then
    echo secret >"$folder/password"
    chmod 644 "$folder/password"
    as_server initdb -D "$folder/data" -U elg -E UTF8 --locale=C --no-sync -A scram-sha-256 \
        --auth-local=trust --pwfile="$folder/password" >"$folder/log" 2>&1 || exit 1
fi

settings=
for setting; do settings="$settings -c $setting"; done
# shellcheck disable=SC2086 # a list of settings
as_server postgres -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 \
    -c max_connections=60 -c shared_buffers=32MB -c log_statement=none $settings \
    >>"$folder/log" 2>&1 </dev/null &
server=$!
tries=0
until as_server pg_isready -q -h "$folder" -p "$port"; do
    tries=$((tries + 1))
    kill -0 "$server" 2>/dev/null && [ "$tries" -lt 300 ] || {
        echo 0 >"$folder/pid"
        exit 1
    }
    sleep 0.05
done
head -1 "$folder/data/postmaster.pid" >"$folder/pid.new"
mv "$folder/pid.new" "$folder/pid"

cat >/dev/null
pid=$(head -1 "$folder/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
wait "$server" 2>/dev/null
tries=0
while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
case $folder in /tmp/*) rm -rf "$folder" ;; esac
