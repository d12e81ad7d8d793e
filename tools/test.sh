#!/usr/bin/env bash
# Runs every test of every module under the race detector. What the servers under test store lies in
# memory where there is room: what tests kill is processes, and no disk makes them wait for its flushes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

needed=$((6 << 20)) # KiB
place=${TMPDIR:-/tmp}
if [[ -w /dev/shm && $(df --output=avail /dev/shm | tail -1) -ge $needed ]]; then
	place=/dev/shm
fi
scratch=$(mktemp -d "$place/erpstream-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Only the tests' own folders: what the compiler writes is too much for memory.
CGO_ENABLED=1 go test -race -timeout 45m -exec "env TMPDIR=$scratch GOTMPDIR=$scratch" "$@" work

# The tools that are written here, each a module of its own. They look at files outside of it, of which the cache of
# results knows nothing.
for module in tools/*/go.mod; do
	folder=${module%/go.mod}
	if [[ -n $(find "$folder" -name '*_test.go' -print -quit) ]]; then
		GOWORK=off go -C "$folder" test -count=1 -timeout 15m ./...
	fi
done
