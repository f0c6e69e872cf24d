#!/usr/bin/env bash
# Runs the shell lines of README and docs/ as they stand there, against a server that this starts. Needs HTTPie, curl, jq
# and the built server; TEST_DATABASE_URL names a superuser of a PostgreSQL server. It prints an `ok` or `not ok` line for each.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD database=gatehouse_docs_$$ failures=0 pid=''
tmp=$(mktemp -d)
export HTTPIE_CONFIG_DIR=$tmp

finish() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null
  wait
  psql -qc "drop database if exists $database with (force)" "$TEST_DATABASE_URL"
  psql -qc 'drop database if exists restored with (force)' "$TEST_DATABASE_URL" 2>/dev/null
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
npx() { (cd "$root" && command npx "$@"); }

# The code is sent a moment after the registration, and in development to the log.
code() {
  for _ in $(seq 100); do
    grep -qE '"code":"[0-9]{8}"' "$tmp/log" && break
    sleep 0.1
  done
  grep -oE '"code":"[0-9]{8}"' "$tmp/log" | tail -n 1 | tr -dc 0-9
}

# run FILE HEADING LINES: every line of the shell blocks below that heading, of which there are so many.
run() {
  local line
  awk -v heading="$2" '/^#+ / { found = $0 ~ "^#+ " heading "$" } found' "$root/$1" |
    awk '/^```/ { inside = /^```sh$/; next } inside' >"$tmp/lines"
  is "$1, $2: lines" "$3" "$(wc -l <"$tmp/lines")"
  while IFS= read -r line; do
    [[ $line != *CODE* ]] || CODE=$(code)
    eval "$line" >"$tmp/answer" 2>>"$tmp/errors"
    is "$1: $line" 0 $?
  done <"$tmp/lines"
}

psql -qc "create database $database" "$TEST_DATABASE_URL"
export DATABASE_URL=${TEST_DATABASE_URL%/*}/$database DATA_DIR=$tmp/data
DEVICE_LOGIN=on node dist/server.js >"$tmp/log" &
pid=$!
for _ in $(seq 100); do
  curl -fs http://127.0.0.1:3000/health/ready >/dev/null && break
  sleep 0.1
done
node -e 'require("sharp")({ create: { width: 8, height: 8, channels: 3, background: "red" } }).toFile(process.argv[1])' "$tmp/me.png"
printf -- '---\ntitle: Ada\n---\n# Ada\n' >"$tmp/README.md"
cd "$tmp" || exit 1

run README.md 'A token in four lines' 4
is 'the last answer' 'Logged out' "$(jq -r .message "$tmp/answer")"
http -A bearer -a "$TOKEN" :3000/api/user >"$tmp/answer"
is 'the exit code with that token afterwards' 4 $?
tokens=$(http -b :3000/api/login email=ada@example.org password='correct horse battery')
http -b -A bearer -a "$(jq -r .refresh_token <<<"$tokens")" POST :3000/api/refresh >"$tmp/answer"
is 'the exit code of a refresh' 0 $?
http -A bearer -a "$(jq -r .access_token "$tmp/answer")" :3000/api/user >"$tmp/user"
is 'the exit code with the refreshed token' 0 $?
http :3000/api/login email=ada@example.org password=wrong >"$tmp/answer"
is 'the exit code of a wrong password' 4 $?

run docs/scripts.md 'Get a token' 4
run docs/scripts.md 'Use it' 2
run docs/scripts.md 'Keep the session in a cookie jar' 4
run docs/scripts.md 'Upload a file' 2

# Until it is approved the last two lines get no token. The user approves as a browser does.
run docs/scripts.md 'Log in by a code, with curl' 5
is 'the answer before the approval' authorization_pending "$(jq -r .error <<<"$PAIR")"
curl -fsS http://localhost:3000/device -b jar -d user_code="$(jq -r .user_code <<<"$CODES")" >"$tmp/answer"
mark=$(sed -n 's/.*name="confirmation" value="\([^"]*\)".*/\1/p' "$tmp/answer" | head -n 1)
curl -fsS http://localhost:3000/device/approve -b jar -d confirmation="$mark" >"$tmp/answer"
is 'the approval' 0 $?
eval "$(tail -n 2 "$tmp/lines")"
curl -fsS -H "Authorization: Bearer $TOKEN" http://localhost:3000/api/user >"$tmp/answer"
is 'the token of the device' 0 $?
run docs/sessions.md 'Log in' 1
run docs/uploads.md 'Upload a picture or a README' 2
run docs/sessions.md 'List and end sessions' 2
run docs/other-services.md 'Let a service in as a client' 1
run docs/other-services.md 'Ask Gatehouse about a token' 2
is 'the introspection' true "$(jq -r .active "$tmp/answer")"
run docs/other-services.md 'Revoke a token' 1
run docs/other-services.md 'Get a token for the service itself' 2
run docs/migrating-from-flask.md 'Users with roles under /api/v1' 4
run docs/migrating-from-flask.md 'REST users under /user' 4
TOKEN=$(jq -r .access_token <<<"$(http -b :3000/api/login email=ada@example.org password='correct horse battery')")
run docs/scripts.md 'Log out' 1

run docs/operations.md 'Back up and restore' 1
psql -qc 'drop database if exists restored' "$TEST_DATABASE_URL" 2>/dev/null
run docs/operations.md 'Restore a backup' 3
psql -qc 'drop database restored with (force)' "$TEST_DATABASE_URL"
run docs/operations.md 'Restore as a role that may not create extensions' 3
is 'the users of the restored database' 1 "$(psql -Atc "select count(*) from users where email = 'ada@example.org'" "${TEST_DATABASE_URL%/*}/restored")"
exit $failures
