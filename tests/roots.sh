# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced after examples/setup.sh by tests/matrix and tests/packaging/run: folders with a Debian of their own to run things in. Needs bash.

# in_root FOLDER SCRIPT: own mounts, which the kernel takes away at the end, however it comes; the tree is at /source, read-only
in_root() {
    # shellcheck disable=SC2016
    as_root unshare --mount --pid --fork bash -c '
        set -e
        root=$1 script=$2 source=$3 fixtures=$4
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mkdir -p "$root/source" "$root/fixtures"
        for pair in "$source:/source" ${fixtures:+"$fixtures:/fixtures"}; do
            mount --bind "${pair%:*}" "$root${pair##*:}"
            mount -o remount,ro,bind "$root${pair##*:}"
        done
        cp -L /etc/resolv.conf "$root/etc/resolv.conf"
        environment=(HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory "GIT_CONFIG_VALUE_0=*" DEBIAN_FRONTEND=noninteractive
            EFFDET_SOURCE_DIR=/source XDG_CACHE_HOME=/cache XDG_DATA_HOME=/data ${fixtures:+EFFDET_FIXTURES=/fixtures})
        exec env -i "${environment[@]}" chroot "$root" bash -c "set -eu; source /source/examples/setup.sh; $script"
    ' in_root "$1" "$2" "$source_dir" "${EFFDET_FIXTURES:-}" < /dev/null
}

# The address that this machine takes Debian from, and what apt was told about the way there.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2> /dev/null | head -n 1
}

apt_settings() {
    apt-config dump | grep -E '^Acquire::https?::Proxy |^Acquire::Check-(Valid-Until|Date) ' || true
    [ -z "${http_proxy:-}" ] || printf 'Acquire::http::Proxy "%s";\n' "$http_proxy"
}

# Why there can be no such folder here; empty if there can.
why_no_root() {
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2> /dev/null; then
        echo "no root rights (neither root nor sudo without a password)"
    elif ! (install_packages debootstrap); then
        echo "the package debootstrap could not be installed"
    elif [ -z "$(debian_mirror)" ]; then
        echo "apt knows no Debian mirror here"
    elif ! as_root unshare --mount --pid --fork mount --make-rprivate / 2> /dev/null; then
        echo "this machine allows no mounts"
    fi
}

# make_root SUITE FOLDER
make_root() {
    local suite=$1 root=$2 mirror
    mirror=$(debian_mirror)
    as_root rm -rf --one-file-system "$root"
    as_root mkdir -p "$root"
    as_root debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" || return
    apt_settings | as_root tee "$root/etc/apt/apt.conf.d/99host" > /dev/null
    printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-backports" | as_root tee "$root/etc/apt/sources.list" > /dev/null
    echo force-unsafe-io | as_root tee "$root/etc/dpkg/dpkg.cfg.d/unsafe-io" > /dev/null # the folder is thrown away
}
