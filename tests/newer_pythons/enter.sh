#!/usr/bin/env bash
# Runs a command on this project in another root directory, with this machine's network, home and Rust toolchain.
#
#     unshare --mount enter.sh ROOT COMMAND [ARGUMENT ...]
#
# What is mounted here is gone when the namespace ends, with the command, however that ends. Never without `unshare`!
set -euo pipefail

root=$1
shift
project=$(realpath "$(dirname "$0")/../..")
toolchain=$(rustc --print sysroot)
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export PATH=$toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin

lend_directory() {
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
}

lend_file() {
    [ -e "$root$1" ] || touch "$root$1"
    mount --bind "$1" "$root$1"
}

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
lend_file /etc/hosts
lend_file /etc/resolv.conf
lend_directory /etc/ssl/certs
# It has the settings of pip and cargo, and what both have downloaded.
lend_directory "$HOME"
lend_directory "$CARGO_HOME"
lend_directory "$toolchain"
lend_directory "$project"

exec chroot "$root" env --chdir="$project" "$@"
