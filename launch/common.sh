# What the launch scripts share: set-up of a fresh Debian or Ubuntu machine, the build, ranks for this machine.
# Meant to be sourced by scripts that run in the repository's root.

say() { printf '%s\n' "$*"; }

# Installs Debian packages that are missing, saying which; as root or with sudo.
install_packages() {
    local missing=()
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "error: ${missing[*]} not found, and there is no apt-get to install them with; install them by hand" >&2
        return 7
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "error: installing ${missing[*]} needs root or sudo" >&2; return 7; }
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq || return 7
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null || return 7
}

install_requirements() {
    install_packages libopenmpi-dev openmpi-bin libopenblas-dev zlib1g-dev libjpeg-dev libpng-dev libssl-dev pkg-config || {
        say "error: the libraries that RobustMoE stands on could not be installed" >&2
        exit 7
    }
    if ! command -v swift >/dev/null; then
        say "error: no Swift toolchain found. Get Swift 6 from https://www.swift.org/install/linux and put it on PATH" >&2
        exit 7
    fi
}

# Flags of swift build for the processor to build for, into `build_flags`; says which.
#
# ROBUSTMOE_MARCH names it (native, x86-64-v4, x86-64-v3, or x86-64 for any); otherwise it is x86-64-v3 where this machine
# is one: our own kernels need its fused multiply-adds. What is named has a build directory of its own.
choose_processor() {
    local march=${ROBUSTMOE_MARCH:-}
    build_flags=()
    if [ -n "$march" ]; then
        build_flags=(--scratch-path ".build-$march")
    elif [ "$(uname -m)" = x86_64 ] && grep -qm1 -w avx2 /proc/cpuinfo && grep -qm1 -w fma /proc/cpuinfo; then
        march=x86-64-v3
    fi
    if [ -n "$march" ] && [ "$march" != x86-64 ]; then
        build_flags+=(-Xswiftc -Xcc -Xswiftc "-march=$march")
    fi
}

# The commit that a run is recorded with.
record_commit() {
    ROBUSTMOE_COMMIT=$(git rev-parse HEAD 2>/dev/null || say unknown)
    git diff --quiet HEAD 2>/dev/null || ROBUSTMOE_COMMIT="$ROBUSTMOE_COMMIT+changes"
    export ROBUSTMOE_COMMIT
}

# Open MPI refuses to start as root unless told twice that this is meant (containers, CI).
allow_root() {
    [ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}
