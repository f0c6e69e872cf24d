#!/bin/sh
# Makes an API key and stores it: ./login.sh NAME USER [ROLE …] < file-with-the-password
# The file has a whole header, which HTTPie reads by itself. So the key is on no command line.
set -eu
. "$(dirname "$0")/common.sh"
name=$1 user=$2
shift 2
roles=$(printf '%s\n' "$@" | jq -R . | jq -cs 'map(select(. != ""))')
IFS= read -r password
umask 077
mkdir -p "$(dirname "$header")"
# A pipeline has the exit code of its last command, so the answer is read in a step of its own.
answer=$(PASSWORD=$password jq -nc --arg identifier "$user" '{$identifier, password: env.PASSWORD}' |
  call POST "$url/api/login") || fail $?
trap 'rm -f "$header.login" "$header.new"' EXIT
printf 'Bearer %s' "$(printf '%s' "$answer" | jq -r .access_token)" >"$header.login"
answer=$(jq -nc --arg name "$name" --argjson roles "$roles" '{$name, $roles, expires_in_days: 30}' |
  call POST "$url/api/user/api-keys" Authorization:@"$header.login") || fail $?
printf 'Bearer %s' "$(printf '%s' "$answer" | jq -r .key)" >"$header.new"
mv "$header.new" "$header"
# The login is not needed any more.
call --ignore-stdin POST "$url/api/logout" Authorization:@"$header.login" >/dev/null
