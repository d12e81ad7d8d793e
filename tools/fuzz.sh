#!/usr/bin/env bash
# Runs every fuzz target of every module for a while, one after the other. usage: tools/fuzz.sh [PATTERN]
# PATTERN chooses packages or targets (grep -E); FUZZTIME is how long each runs (30s). What a target finds is kept
# in testdata/fuzz beside it: a seed of every later test, to be committed with the mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pattern=${1:-.}
time=${FUZZTIME:-30s}
failed=()
count=0

main() {
	local folder target
	while read -r folder; do
		for target in $(targets "$folder"); do
			grep -qE -- "$pattern" <<<"$folder $target" && fuzz "$folder" "$target"
		done
	done < <(git grep --untracked -lE '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u)
	if [[ ${#failed[@]} -gt 0 ]]; then
		printf 'found something:\n'
		printf '  %s\n' "${failed[@]}"
		exit 1
	fi
	printf '%d targets, nothing found in %s each\n' "$count" "$time"
}

# targets prints the fuzz targets of a package.
targets() {
	go -C "$1" test -list '^Fuzz' . | grep '^Fuzz'
}

# fuzz runs one target in one process. Those that need a server of a database start it once.
fuzz() {
	count=$((count + 1))
	printf '%s %s\n' "$1" "$2"
	go -C "$1" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 1 . || failed+=("$1 $2")
}

main
