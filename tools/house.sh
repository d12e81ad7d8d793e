#!/usr/bin/env bash
# Runs the whole house as on Kubernetes, from the images and the manifests of production, in network namespaces.
# usage: tools/house.sh [flag of pkg/test/house]...
# The figures are printed and written to build/house.json; build/house/log has what each pod said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
	echo "house: $*" >&2
	exit 1
}

PATH=$PATH:/usr/sbin:/sbin
[[ $(id -u) == 0 ]] || fail "needs root, for namespaces of the network"
for program in ip iptables-restore unshare tar; do
	command -v "$program" >/dev/null || fail "needs $program (Debian: iproute2, iptables, util-linux)"
done
[[ -f build/images/erpstream/index.json ]] || fail 'no images: make images ARGS="--platform linux/amd64"'
unshare --net ip link add house type bridge 2>/dev/null || fail "may not make a namespace with a bridge here: run it on a machine or VM of its own"

rm -rf build/house
mkdir -p build/house
for overlay in production dev; do
	build/tools/k8s -render "$overlay" >"build/house/$overlay.json"
done
CGO_ENABLED=0 go build -o build/house/ ./pkg/test/house github.com/nats-io/nats-server/v2
# All that runs ends with the first process of its own namespace, and so do the networks and mounts.
exec unshare --net --mount --pid --fork --kill-child --mount-proc \
	build/house/house -production build/house/production.json -dev build/house/dev.json -nats-server build/house/nats-server "$@"
