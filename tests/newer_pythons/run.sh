#!/usr/bin/env bash
# Runs verbs of the Makefile on CPythons that are newer than the machine's: those of Debian's sid.
#
#     run.sh [VERSION ...]                    on 3.14 and 3.15 if none is named
#     VERBS=test-cpython run.sh 3.15          test-python and test-cpython if none is named
#     run.sh prepare                          makes the root directory, and tests nothing
#
# Debian's packages get a root directory of their own, build/sid (or ROOT). It is made once, and holds what is built in
# it; delete it to get newer packages. Needs root, debootstrap, Debian's mirror, and a Rust toolchain of rustup's.
#
# Exit status: 0 if everything passed, 77 if nothing could be tested here (the last line says why), otherwise 1.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin
here=$(dirname "$(realpath "$0")")
root=${ROOT:-$(realpath "$here/../..")/build/sid}
newer=(3.14 3.15)
read -ra verbs <<<"${VERBS:-test-python test-cpython}"

main() {
    check_that_it_can_be_done
    prepare
    [ "${1:-}" != prepare ] || exit 0
    local failed=()
    for version in "${@:-${newer[@]}}"; do
        printf '== CPython %s\n' "$version"
        # What is built there is linked with the C library of sid, and stays with it.
        unshare --mount "$here/enter.sh" "$root" env CARGO_TARGET_DIR=/target \
            make --keep-going "PYTHON=/usr/bin/python$version" "VENV=/venv-$version" "${verbs[@]}" || failed+=("$version")
    done
    [ ${#failed[@]} -eq 0 ] || { printf 'FAILED on CPython %s\n' "${failed[*]}"; exit 1; }
}

check_that_it_can_be_done() {
    [ "$(id -u)" -eq 0 ] || skip 'that needs root'
    command -v debootstrap >/dev/null || skip 'there is no debootstrap'
    command -v rustc >/dev/null || skip 'there is no Rust toolchain'
    [ "$(rustc --print sysroot)" != /usr ] || skip "the Rust toolchain is the system's, which can't be lent"
    unshare --mount true || skip 'mounting is not permitted'
}

skip() {
    printf 'SKIPPED, nothing was tested on newer Pythons: %s\n' "$*"
    exit 77
}

prepare() {
    local packages=gcc,libc6-dev,make
    for version in "${newer[@]}"; do
        packages+=,python$version-venv,python$version-dev,libpython$version-testsuite
    done
    [ "$(cat "$root/prepared" 2>/dev/null)" != "$packages" ] || return 0

    echo "preparing $root, which takes minutes and a gigabyte; $root.log tells how far it is"
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    # In a namespace, so that nothing stays mounted however it ends.
    with_proxy_of_apt unshare --mount \
        debootstrap --variant=minbase --include="$packages" sid "$root" "$(mirror)" >"$root.log" 2>&1 || {
        tail -n 5 "$root.log"
        skip "debootstrap failed, and $root.log tells more"
    }
    echo "$packages" >"$root/prepared"
}

mirror() {
    # shellcheck disable=SC2016 # the field is apt's to fill in
    apt-get indextargets --format '$(SITE)' | grep -m1 '/debian/*$' || echo http://deb.debian.org/debian
}

with_proxy_of_apt() {
    local http_proxy=${http_proxy:-} https_proxy=${https_proxy:-}
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    http_proxy=$http_proxy https_proxy=$https_proxy "$@"
}

main "$@"
