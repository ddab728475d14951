# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by examples/demo and tests/run: installs what is missing from the one package list and builds. Needs bash.

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        die "installing packages needs root, and there is no sudo: run as root: $*"
    fi
}

debian_version() {
    . /etc/os-release
    case "${ID:-} ${VERSION_ID:-}" in
    "debian "*) echo "$VERSION_ID" ;;
    *) echo 0 ;;
    esac
}

# packages_of GROUP...: names of the groups, with the later ones that belong to this Debian
packages_of() {
    local version group wanted name
    version=$(debian_version)
    while read -r group name; do
        for wanted in "$@"; do
            if [ "$group" = "$wanted" ]; then
                echo "$name"
            elif [ "${group%-[0-9]*}" = "$wanted" ] && [ "${version%%.*}" -ge "${group##*-}" ]; then
                echo "$name"
            fi
        done
    done < <(grep -v '^#' "$source_dir/examples/packages.txt")
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# install_packages NAME...: those that are missing, saying which
install_packages() {
    local name missing=()
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get > /dev/null || die "these packages are missing and there is no apt-get to bring them: ${missing[*]}"
    say "Installing ${#missing[@]} packages: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q > /dev/null ||
        die "apt-get update failed: check the network and /etc/apt/sources.list"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" > /dev/null ||
        die "apt-get could not install: ${missing[*]}"
}

build_targets=() # empty: all

# build FOLDER [MESON OPTION...]: configures once, then compiles
build() {
    local folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        say "Configuring $folder"
        meson setup "$folder" "$source_dir" "$@" > "$folder.log" 2>&1 || {
            tail -n 20 "$folder.log" >&2
            die "meson could not configure; the whole output is in $folder.log"
        }
    fi
    say "Building $folder"
    ninja -C "$folder" "${build_targets[@]}" > "$folder.log" 2>&1 || {
        grep -E 'error|FAILED' "$folder.log" | head -n 20 >&2
        die "the build failed; the whole output is in $folder.log"
    }
}
