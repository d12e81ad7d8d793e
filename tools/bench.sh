#!/usr/bin/env bash
# Measures, and leaves the figures in build/bench.json.
# usage: tools/bench.sh ""|quick|growth|check|baseline [flag…]; the flags are those of pkg/test/bench
#        tools/bench.sh go [flag…]: every Go benchmark, into build/bench.txt; the flags are those of go test
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

baseline=pkg/test/bench/baseline.json

main() {
	local what=${1:-}
	shift || true
	case $what in
	"") measure "$@" ;;
	quick) measure -quick "$@" ;;
	growth) measure -long -only growth,replicas,connections "$@" ;;
	check) measure -check "$baseline" "$@" ;;
	baseline) measure -keep "$baseline" "$@" ;;
	go) benchmarks "$@" ;;
	*)
		echo "bench: no \"$what\": quick, growth, check, baseline or go" >&2
		exit 2
		;;
	esac
}

# measure runs the scenarios. What a run that was killed left behind goes first.
measure() {
	rm -rf build/bench/run-*
	mkdir -p build/bench
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o build/bench/bench ./pkg/test/bench
	exec build/bench/bench -json build/bench.json "$@"
}

benchmarks() {
	local packages
	mapfile -t packages < <(
		git grep -lE --untracked '^func Benchmark' -- '*_test.go' | xargs -r dirname | sort -u | sed 's|^|./|'
	)
	mkdir -p build
	go test -run '^$' -bench . -benchmem -timeout 20m "$@" "${packages[@]}" | tee build/bench.txt
}

main "$@"
