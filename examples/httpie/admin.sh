#!/bin/sh
# Disables a user: ./admin.sh ID. The key needs the role admin.
set -eu
. "$(dirname "$0")/common.sh"
as_key POST "$url/api/users/$1/disable"
