#!/usr/bin/env bash
# Runs every benchmark into build/bench.txt. usage: tools/bench.sh [quick]
set -euo pipefail

benchtime=1s
if [[ ${1:-} == quick ]]; then
	benchtime=50ms
fi
mapfile -t packages < <(
	git grep -lE --untracked '^func Benchmark' -- '*_test.go' | xargs -r dirname | sort -u | sed 's|^|./|'
)
mkdir -p build
if [[ ${#packages[@]} == 0 ]]; then
	echo "no benchmarks" | tee build/bench.txt
	exit
fi
go test -run '^$' -bench . -benchmem -benchtime "$benchtime" -timeout 20m "${packages[@]}" | tee build/bench.txt
