# What the other scripts share.
url=${GATEHOUSE_URL:-http://localhost:3000}
header=${GATEHOUSE_HEADER:-$HOME/.config/gatehouse/header}

# Exits with 4 after a refusal, with 5 after an outage, and prints the answer in both cases.
call() { http --check-status --body --pretty=none --timeout=15 "$@"; }

# The same with the key.
as_key() { call --ignore-stdin "$@" Authorization:@"$header"; }

# Prints the answer of a refusal and exits with its code.
fail() {
  printf '%s\n' "$answer" >&2
  exit "$1"
}
