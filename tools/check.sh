#!/usr/bin/env bash
# Every check but the tests. usage: TAGS=… tools/check.sh MODULE... (folders of the modules of go.work;
# TAGS are those that binaries are built with)
# All checks run; the end lists those that failed, and what each printed stands above it.
set -euo pipefail

modules=("$@")
root=$PWD
bin=$root/build/tools
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()

main() {
	check "gofmt" formatted
	check "no paths or hosts of one machine" portable
	check "no binaries" light
	check "go.work lists every module" in_workspace
	contracts
	local module
	for module in "${modules[@]}"; do
		check "$module: go mod tidy" tidy "$module"
		check "$module: go build" alone "$module" go build -o /dev/null ./... # no binary in the tree
		check "$module: go vet" alone "$module" go vet ./...
		check "$module: golangci-lint" alone "$module" "$bin/golangci-lint" run \
			--config "$root/.golangci.yml" --allow-serial-runners ./...
	done
	check "docs/dependencies.md, licences" "$bin/licences" --tags "$TAGS" --check
	for module in tools/*/go.mod; do
		tool "${module%/go.mod}"
	done
	check "manifests of Kubernetes" "$bin/k8s"
	verdict
}

# tool checks a module of tools: those of others are only pinned, ours have code.
tool() {
	check "$1: go mod tidy" tidy "$1"
	if [[ -n $(find "$1" -name '*.go' -print -quit) ]]; then
		check "$1: go vet" alone "$1" go vet ./...
		check "$1: golangci-lint" alone "$1" "$bin/golangci-lint" run \
			--config "$root/.golangci.yml" --allow-serial-runners ./...
	fi
}

# check runs a command as the check with that name, and shows what it printed when it fails.
check() {
	local name=$1 begin=$SECONDS status
	shift
	set +e # in an "if" the command would run on after its first error
	(set -e && "$@") >"$scratch/output" 2>&1
	status=$?
	set -e
	if [[ $status == 0 ]]; then
		printf 'ok    %s (%ds)\n' "$name" $((SECONDS - begin))
		return
	fi
	failed+=("$name")
	cat "$scratch/output"
	printf 'FAIL  %s (%ds)\n' "$name" $((SECONDS - begin))
}

verdict() {
	if [[ ${#failed[@]} == 0 ]]; then
		echo "all checks passed in ${SECONDS}s"
		return
	fi
	echo "${#failed[@]} checks failed in ${SECONDS}s:"
	printf '  %s\n' "${failed[@]}"
	exit 1
}

# alone runs a command in a module as those see it who import it: without the workspace.
alone() {
	cd "$1"
	GOWORK=off "${@:2}"
}

# tidy shows the start of what "make tidy" would change.
tidy() {
	local diff
	if ! diff=$(alone "$1" go mod tidy -diff 2>&1); then
		head -n 30 <<<"$diff"
		echo "make tidy mends it"
		return 1
	fi
}

formatted() {
	local file files=() wrong
	while IFS= read -r -d '' file; do
		[[ -f $file ]] && files+=("$file")
	done < <(git ls-files -z --cached --others --exclude-standard -- '*.go' ':!proto/gen')
	wrong=$("$(go env GOROOT)/bin/gofmt" -l "${files[@]}")
	[[ -z $wrong ]] || { echo "$wrong" && return 1; }
}

portable() {
	local words='proxy[.]golang[.]org|registry[.]npmjs|deb[.]debian[.]org|(^|[^[:alnum:]_.-])/(work|root)/'
	if git grep -nIE --untracked "$words"; then
		return 1
	fi
}

# light finds what was built or dumped beside the sources: files over 1 MiB.
light() {
	local file files=()
	while IFS= read -r -d '' file; do
		[[ -f $file ]] && files+=("$file")
	done < <(git ls-files -z --cached --others --exclude-standard)
	[[ -z $(find "${files[@]}" -size +1024k -print | tee /dev/stderr) ]]
}

in_workspace() {
	diff <(printf '%s\n' "${modules[@]/#/$root/}" | sort) <(go list -m -f '{{.Dir}}' | sort)
}

# contracts checks proto/ and the Go made from it.
contracts() {
	check "buf lint" "$bin/buf" lint
	check "buf format" "$bin/buf" format -d --exit-code --path proto/erpstream
	check "proto/gen is what buf generate makes" generated
	check "proto/comments has the comments of the contracts" commented
	local version base
	for version in pkg/test/compat/testdata/*/; do # what is released binds for ever
		check "buf breaking against $(basename "$version")" released_unbroken "$version/contracts.binpb"
	done
	base=$(released)
	if git cat-file -e "$base:proto/erpstream" 2>/dev/null; then
		check "buf breaking against ${base:0:12}" unbroken "$base"
	else
		echo "note  buf breaking: no contracts at ${base:-a commit} yet, nothing to compare with"
	fi
}

# released prints the commit whose contracts bind: the last release of proto, before the first one
# where this branch left main.
released() {
	git describe --tags --abbrev=0 --match 'proto/v*' 2>/dev/null ||
		git merge-base HEAD origin/main 2>/dev/null ||
		git merge-base HEAD main 2>/dev/null ||
		git rev-parse --verify -q HEAD || true
}

# released_unbroken compares with the contracts of a released version, which are kept as an image.
released_unbroken() {
	"$bin/buf" build --path proto/erpstream -o "$scratch/contracts.binpb"
	"$bin/buf" breaking "$scratch/contracts.binpb" --against "$1" --exclude-imports --config '{"version":"v2","breaking":{"use":["FILE"]}}'
}

unbroken() {
	git archive -o "$scratch/base.tar" "$1" buf.yaml proto
	"$bin/buf" breaking --against "$scratch/base.tar"
}

generated() {
	"$bin/buf" generate -o "$scratch/generated"
	diff -r proto/gen "$scratch/generated/proto/gen"
}

commented() {
	"$bin/buf" build --exclude-imports --as-file-descriptor-set --path proto/erpstream -o "$scratch/comments.binpb"
	cmp proto/comments/comments.binpb "$scratch/comments.binpb" || { echo "make generate mends it" && return 1; }
}

main
