#!/bin/sh
# Prints the owner of the key.
set -eu
. "$(dirname "$0")/common.sh"
as_key GET "$url/api/user"
