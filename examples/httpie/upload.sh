#!/bin/sh
# Uploads a picture: ./upload.sh FILE
set -eu
. "$(dirname "$0")/common.sh"
as_key --multipart POST "$url/api/upload-picture" picture@"$1"
