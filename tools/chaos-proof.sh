#!/usr/bin/env bash
# Shows that the campaign notices a guard that is broken: takes one guard after the other out of a copy
# of the code and wants the scenario that it guards against to fail. usage: tools/chaos-proof.sh [guard]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
out=$root/build/chaos-proof
unseen=()

main() {
	# guard, scenario, file, what is replaced by what (sed), flags of go build
	proof search 'replies_lost' pkg/booking/resolve.go \
		's/candidates, err := t.system.Find(ctx, t.doc, clue)/_, err = t.system.Find(ctx, t.doc, clue); var candidates []Held/' "$@"
	proof guard 'killed_at_seams' services/sink-mysql/guard.go \
		's/d.stale = .*/& \&\& false/' "$@"
	proof ack 'killed_at_seams' pkg/sink/hand.go \
		's/h.stop = consume.Beat(work, .*/&; for _, m := range h.msgs { _ = m.Ack() }/' "$@"
	proof sync 'power_cut' pkg/test/natstest/node.go \
		's/sync_interval: always/sync_interval: "2m"/' "$@"
	if [[ ${#unseen[@]} != 0 ]]; then
		echo "the campaign does not notice: ${unseen[*]}"
		exit 1
	fi
}

# proof runs a scenario without a guard, in programs of its own.
proof() {
	local guard=$1 scenario=$2 file=$3 change=$4 folder=$out/$1
	shift 4
	if [[ $# != 0 && " $* " != *" $guard "* ]]; then
		return
	fi
	mkdir -p "$folder"
	sed "$change" "$file" >"$folder/${file##*/}"
	if cmp -s "$file" "$folder/${file##*/}"; then
		echo "guard $guard: $file has changed, there is nothing to take out"
		exit 1
	fi
	printf '{"Replace": {"%s": "%s"}}\n' "$root/$file" "$folder/${file##*/}" >"$folder/overlay.json"
	GOFLAGS=-overlay=$folder/overlay.json tools/chaos.sh once -run "^TestCampaign\$/^seed_1\$/^$scenario\$" -chaos-patience=4m \
		>"$folder/result.txt" 2>&1 || true
	cp build/chaos.log build/chaos.json "$folder/"
	if ! noticed; then
		unseen+=("$guard")
	fi
	echo "without guard $guard:"
	sed -n '1,2p' "$folder/result.txt"
	grep -oE "$verdict.*" build/chaos.log | cut -c1-200 | head -n 3 || true
}

# verdict is what the campaign says when something is wrong besides what it counts at the targets.
verdict='the watchdog had to mend|erpstream audit: |not balanced after'

# noticed is whether the last campaign found documents missing, booked twice or wrong, or accounts that do
# not balance; that it failed for anything else proves nothing.
noticed() {
	grep -qE '"(missing|duplicated|wrong)": [1-9]' build/chaos.json || grep -qE "$verdict" build/chaos.log
}

main "$@"
