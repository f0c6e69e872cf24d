#!/usr/bin/env bash
# Runs a built image as a container runtime would, where there is none: its root read-only, uid 1000, PID 1 of its own
# namespace. Needs root, buildah, node and curl; TEST_DATABASE_URL names a superuser of a PostgreSQL server.
# Use: check.sh IMAGE       It prints one `ok` or `not ok` line for each promise.
set -euo pipefail
export STORAGE_DRIVER=vfs
image=$1
unshare --mount --pid --fork true 2>/dev/null || {
  echo 'ok - the image runs # SKIP: this machine permits no mount namespace'
  exit
}

tmp=$(mktemp -d)
inspect=$(buildah inspect --type image "$image")
config() { # config EXPRESSION: of the image's configuration, `c`
  node -p "const c = JSON.parse(require('fs').readFileSync(0)).Docker.config; $1" <<<"$inspect"
}
mapfile -t env < <(config 'c.Env.join("\n")')
mapfile -t cmd < <(config 'c.Cmd.join("\n")')
mapfile -t healthcheck < <(config 'c.Healthcheck.Test.slice(1).join("\n")')
user=$(config c.User) dir=$(config c.WorkingDir)
container=$(buildah from --pull-never "$image")
root=$(buildah mount "$container")
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
url=http://127.0.0.1:$port
database=gatehouse_image_$$ database_url=${TEST_DATABASE_URL%/*}/gatehouse_image_$$
failures=0 pid=''

finish() {
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
  buildah rm "$container" >/dev/null
  psql -qc "drop database if exists $database with (force)" "$TEST_DATABASE_URL"
  rm -rf "$tmp"
}
trap finish EXIT

check() { # check PROMISE COMMAND...
  local promise=$1
  shift
  if "$@" >"$tmp/out" 2>&1; then echo "ok - $promise"; else
    failures=$((failures + 1))
    echo "not ok - $promise"
    sed 's/^/# /' "$tmp/out" "$tmp/log"
  fi
}
run() { # run NAME=VALUE...: the image's command in its own namespaces
  exec unshare --mount --pid --fork --kill-child bash -euc '
    root=$1 user=$2 dir=$3
    shift 3
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    exec chroot --userspec="$user:$user" --groups= "$root" env -i -C "$dir" "$@"' \
    run "$root" "$user" "$dir" "${env[@]}" "$@" "${cmd[@]}" >"$tmp/log" 2>&1
}
inside() { nsenter --target "$server" --mount --pid --root --wd "$@"; }
health() { inside --setuid "$user" --setgid "$user" env -i "${env[@]}" "PORT=$1" "${healthcheck[@]}"; }
within() { # within SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}
lean() {
  [ "$(cd "$root$dir" && echo * packages/*/* src/*/*)" = \
    'dist migrations node_modules package.json packages src packages/verify/dist packages/verify/package.json src/pages/views' ] &&
    [ ! -e "$root$dir/node_modules/typescript" ]
}
ended() { ! kill -0 "$pid" 2>/dev/null; }
refuses() {
  run "DATABASE_URL=$database_url" "PORT=$port" &
  pid=$!
  within 10 ended && ! wait "$pid" && grep KEYS_SECRET "$tmp/log"
}
ready() { curl -fsS -m 2 "$url/health/ready"; }
as_user() { grep -P "^Uid:\t$user\t$user\t" "/proc/$server/status" && grep -P '^NSpid:.*\t1$' "/proc/$server/status"; }
unwritable() { ! inside touch ./written && ! inside touch /written && inside touch /tmp/written; }
registers() {
  curl -sS -m 10 -o "$tmp/reply" -w '%{http_code}' -H 'content-type: application/json' "$url/api/register" \
    -d '{"email":"ann@example.org","password":"slate-otter-harbour-51"}' | grep -x 201 || { cat "$tmp/reply" && false; }
}
cli() {
  inside --setuid "$user" --setgid "$user" env -i "${env[@]}" "DATABASE_URL=$database_url" "KEYS_SECRET=$secret" \
    "PUBLIC_URL=$url" gatehouse users list | grep ann@example.org
}
stops() {
  kill -TERM "$server"
  within 10 ended && wait "$pid"
}

: >"$tmp/log"
psql -qc "create database $database" "$TEST_DATABASE_URL"
check 'holds nothing but what runs' lean
check 'refuses to start in production without KEYS_SECRET' refuses
secret=$(node -p 'crypto.randomBytes(32).toString("hex")')
run "DATABASE_URL=$database_url" "KEYS_SECRET=$secret" "PORT=$port" "PUBLIC_URL=$url" &
pid=$!
check 'is ready within 30 s' within 30 ready
[ "$failures" = 0 ] || exit 1
server=$(cat "/proc/$pid/task/$pid/children")
server=${server// /}
check 'runs as the user of the image, as PID 1' as_user
check 'cannot write but to /tmp' unwritable
check 'its HEALTHCHECK says healthy' health "$port"
check 'its HEALTHCHECK says unhealthy where nobody listens' eval '! health 1'
check 'registers a user' registers
check 'its command line works' cli
check 'ends with 0 within 10 s of SIGTERM' stops
size() { du -sh --apparent-size "$1" | cut -f1; }
echo "# $image: $(size "$root"), of which $(size "$root$dir") are Gatehouse and its dependencies"
[ "$failures" = 0 ]
