#!/usr/bin/env bash
# Runs the campaign: everything on a cluster of NATS servers, with trouble of every kind, and a comparison
# of every target with the source in the end. usage: tools/chaos.sh [short|full|long] [flag of go test]...
# The results are printed and written to build/chaos.json; what fails is in build/chaos.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

form=${1:-full}
shift || true
needed=$((4 << 20)) # KiB
place=${TMPDIR:-/tmp}
if [[ -w /dev/shm && $(df --output=avail /dev/shm | tail -1) -ge $needed ]]; then
	place=/dev/shm # no disk makes what is killed wait for its flushes
fi
scratch=$(mktemp -d "$place/erpstream-chaos.XXXXXX")
trap clear EXIT

# clear takes away what a campaign that was interrupted has left.
clear() {
	local folder
	while read -r _ folder _; do
		if [[ $folder == "$scratch"/* ]]; then
			umount -l "$folder"
		fi
	done </proc/mounts
	rm -rf "$scratch"
}

mkdir -p build
rm -f build/chaos.json
status=0
go test -exec "env TMPDIR=$scratch GOTMPDIR=$scratch" -count=1 -timeout 3h -parallel 4 -v -run '^TestCampaign$' ./services/erpstream/e2e \
	-chaos "$form" -chaos-out "$PWD/build/chaos.json" "$@" >build/chaos.log 2>&1 || status=$?
grep -o 'left out: .*' build/chaos.log || true
sed -n '/the campaign:$/,/^---/{/the campaign:$/d;/^---/d;p}' build/chaos.log
if [[ $status != 0 ]]; then
	grep -E '^ *--- FAIL|_test.go:' build/chaos.log | grep -v 'the campaign:' | head -n 60 || true
	echo "the campaign failed: build/chaos.log has all of it"
	exit 1
fi
echo "nothing missing, duplicated or wrong; build/chaos.json has the figures"
