#!/usr/bin/env bash
# Runs README's HTTPie lines as they stand there, against a server that this starts. Needs HTTPie, jq and the built
# server; TEST_DATABASE_URL names a superuser of a PostgreSQL server. It prints an `ok` or `not ok` line for each promise.
set -uo pipefail
cd "$(dirname "$0")/../.."
database=gatehouse_readme_$$ failures=0 pid=''
tmp=$(mktemp -d)
export HTTPIE_CONFIG_DIR=$tmp

finish() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null
  wait
  psql -qc "drop database if exists $database with (force)" "$TEST_DATABASE_URL"
  rm -rf "$tmp"
}
trap finish EXIT

is() { # is NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then echo "ok - $1"; else
    echo "not ok - $1: $3 instead of $2"
    failures=1
  fi
}
# As a script must call it: no terminal to read from, and an exit code for a refusal.
http() { command http --ignore-stdin --check-status "$@" 2>>"$tmp/errors"; }

psql -qc "create database $database" "$TEST_DATABASE_URL"
DATABASE_URL=${TEST_DATABASE_URL%/*}/$database DATA_DIR=$tmp/data node dist/server.js >"$tmp/log" &
pid=$!
for _ in $(seq 100); do
  curl -fs http://127.0.0.1:3000/health/ready >/dev/null && break
  sleep 0.1
done

sed -n '/^## A token in four lines/,/^## /p' README.md | sed -n '/^```sh/,/^```/p' | grep -v '^```' >"$tmp/lines"
is 'README has four lines' 4 "$(wc -l <"$tmp/lines")"
while IFS= read -r line; do
  eval "$line" >"$tmp/answer"
  is "$line" 0 $?
done <"$tmp/lines"
is 'the last answer' 'Logged out' "$(jq -r .message "$tmp/answer")"

# The code is sent a moment after the registration, and in development to the log.
code() {
  for _ in $(seq 100); do
    grep -qE '"code":"[0-9]{8}"' "$tmp/log" && break
    sleep 0.1
  done
  grep -oE '"code":"[0-9]{8}"' "$tmp/log" | tail -n 1 | tr -dc 0-9
}
sed -n '/^### Older systems/,/^### /p' README.md | sed -n '/^```sh/,/^```/p' | grep -v '^```' >"$tmp/lines"
is 'README has eight lines for older systems' 8 "$(wc -l <"$tmp/lines")"
while IFS= read -r line; do
  [[ $line != *CODE* ]] || CODE=$(code)
  eval "$line" >"$tmp/answer"
  is "$line" 0 $?
done <"$tmp/lines"

http -A bearer -a "$TOKEN" :3000/api/user >"$tmp/answer"
is 'the exit code with that token afterwards' 4 $?
tokens=$(http -b :3000/api/login email=ada@example.org password='correct horse battery')
http -b -A bearer -a "$(jq -r .refresh_token <<<"$tokens")" POST :3000/api/refresh >"$tmp/answer"
is 'the exit code of a refresh' 0 $?
http -A bearer -a "$(jq -r .access_token "$tmp/answer")" :3000/api/user >"$tmp/user"
is 'the exit code with the refreshed token' 0 $?
http :3000/api/login email=ada@example.org password=wrong >"$tmp/answer"
is 'the exit code of a wrong password' 4 $?
exit $failures
