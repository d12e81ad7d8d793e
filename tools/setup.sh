#!/usr/bin/env bash
# Installs what the tests need beyond Go, from the distribution's packages, where it is missing:
# a C compiler for the race detector and a MariaDB or MySQL server. ERPSTREAM_TEST_MYSQL names a
# running server for the tests that need a database; those of pkg/mysqld start one all the same.
set -euo pipefail

main() {
	local missing=()
	compiles || missing+=(compiler)
	has_server || missing+=(server)
	[[ ${#missing[@]} == 0 ]] && return
	echo "setup: installing: ${missing[*]}"
	install "${missing[@]}"
	compiles || fail "still no C compiler that can build a program (go env CC: $(go env CC))"
	has_server || fail "still no mariadbd or mysqld on PATH or in /usr/sbin"
}

# compiles tells whether there is a C compiler, and the headers that cgo includes.
compiles() {
	local cc
	read -ra cc <<<"$(go env CC)"
	printf '#include <stdlib.h>\n#include <pthread.h>\nint main(void) { return 0; }\n' |
		"${cc[@]}" -x c -o /dev/null - 2>/dev/null
}

has_server() {
	PATH="$PATH:/usr/sbin" command -v mariadbd mysqld >/dev/null
}

# install installs each of "compiler" and "server".
install() {
	local packages=() what
	if command -v apt-get >/dev/null; then
		for what in "$@"; do
			case $what in
			compiler) packages+=(gcc libc6-dev) ;;
			server) packages+=(mariadb-server) ;;
			esac
		done
		as_root apt-get update -q
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"
	elif command -v dnf >/dev/null; then
		for what in "$@"; do
			case $what in
			compiler) packages+=(gcc glibc-devel) ;;
			server) packages+=(mariadb-server) ;;
			esac
		done
		as_root dnf install -qy --setopt=install_weak_deps=False "${packages[@]}"
	elif command -v apk >/dev/null; then
		for what in "$@"; do
			case $what in
			compiler) packages+=(gcc musl-dev) ;;
			server) packages+=(mariadb) ;;
			esac
		done
		as_root apk add --no-cache "${packages[@]}"
	elif command -v brew >/dev/null; then
		for what in "$@"; do
			case $what in
			compiler) fail "no C compiler: run xcode-select --install" ;;
			server) packages+=(mariadb) ;;
			esac
		done
		brew install "${packages[@]}"
	else
		fail "none of apt-get, dnf, apk and brew is here: install a C compiler with its headers, and a MariaDB or MySQL server"
	fi
}

as_root() {
	if [[ $(id -u) == 0 ]]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		fail "not root, and no sudo: run as root: $*"
	fi
}

fail() {
	echo "setup: $*" >&2
	exit 1
}

main
