#!/bin/sh
# Prints all users as JSON, one a line. The key needs the role admin.
set -eu
. "$(dirname "$0")/common.sh"
cursor=
while :; do
  answer=$(as_key GET "$url/api/users" limit==200 ${cursor:+"cursor==$cursor"}) || fail $?
  printf '%s' "$answer" | jq -c '.users[]'
  cursor=$(printf '%s' "$answer" | jq -r '.next // empty')
  [ -n "$cursor" ] || exit 0
done
