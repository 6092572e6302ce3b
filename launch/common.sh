# What the launch scripts share: set-up of a fresh Debian or Ubuntu machine, the build, ranks for this machine.
# Meant to be sourced by scripts that run in the repository's root.

say() { printf '%s\n' "$*"; }

# The release of Swift that launch/install-swift fetches, which is the one that the project is tested with.
pinned_swift=6.3.1
# Where it goes.
swift_home=${ROBUSTMOE_SWIFT_HOME:-${XDG_DATA_HOME:-${HOME:-/tmp}/.local/share}/robustmoe/swift-$pinned_swift}
# The libraries and programs that the package stands on.
requirements=(
    libopenmpi-dev openmpi-bin libopenblas-dev zlib1g-dev libjpeg-dev libpng-dev libssl-dev pkg-config git ca-certificates)

# Ends the script with an error of the environment, saying why and what to type.
fail() {
    say "error: $*" >&2
    exit 7
}

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
        if ! command -v sudo >/dev/null; then
            say "error: installing needs root or sudo; let somebody who may do so type: apt-get install ${missing[*]}" >&2
            return 7
        fi
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    # apt-get update ends with 0 where it reaches nothing, too.
    if ! "${as_root[@]}" apt-get update -qq ||
        ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            "${missing[@]}" >/dev/null; then
        say "error: apt-get could not install ${missing[*]}, see above. Without a network or a mirror (http_proxy and" \
            "/etc/apt/sources.list say how it is reached), bring the packages by hand" >&2
        return 7
    fi
}

# Installs what is missing; with --install-swift, or when a person at a terminal says so, a Swift toolchain too.
# Afterwards `swift` is on PATH, runs, and is new enough.
install_requirements() {
    [ -w . ] || fail "$PWD cannot be written to; clone the repository to a folder of your own"
    install_packages "${requirements[@]}" || exit 7
    [ ! -x "$swift_home/usr/bin/swift" ] || PATH=$swift_home/usr/bin:$PATH
    local least version
    least=$(sed -n 's|^// swift-tools-version: *||p' Package.swift)
    version=$(swift_version)
    if [ -z "$version" ] && command -v swift >/dev/null; then
        say "$(command -v swift) does not start: $(swift --version 2>&1 | tail -n 1)"
        install_packages $(swift_packages) || exit 7
        version=$(swift_version)
        [ -n "$version" ] || fail "$(command -v swift) still does not start: $(swift --version 2>&1 | tail -n 1)"
    fi
    if ! is_at_least "$version" "$least"; then
        [ -z "$version" ] || say "$(command -v swift) is Swift $version, and $least or newer is needed"
        if is_at_least "$(packaged_swift)" "$least"; then
            install_packages swiftlang || exit 7
        elif wants_swift "$@"; then
            launch/install-swift "$swift_home" || exit 7
            PATH=$swift_home/usr/bin:$PATH
        else
            fail "no Swift $least or newer found. $0 --install-swift fetches Swift $pinned_swift into $swift_home" \
                "(1 GB, 3.5 GB unpacked); or get one from https://www.swift.org/install/linux and put it on PATH"
        fi
        hash -r
        version=$(swift_version)
        is_at_least "$version" "$least" || fail "expected Swift $least or newer, found ${version:-none}"
    fi
    export PATH
    [ -d .build ] || prepare_first_build "$version"
}

# The version of the Swift on PATH, such as 6.3.1; nothing where it does not start.
swift_version() {
    { swift --version 2>/dev/null || true; } | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1
}

# The version of the distribution's own package; nothing where there is none.
packaged_swift() {
    { apt-cache policy swiftlang 2>/dev/null || true; } | sed -n 's/^ *Candidate: \([0-9][0-9.]*\).*/\1/p'
}

# Whether a version, which may be empty, is another one or newer.
is_at_least() {
    [ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The packages that swift.org's page lists for its toolchains on Debian 12 and 13 and Ubuntu 22.04 and 24.04; g++ brings
# the C and C++ libraries of the distribution's compiler.
swift_packages() {
    local linker=binutils
    # A package of its own since Debian 13, and before that a name for binutils.
    if [ "$(. /etc/os-release && echo "${ID:-}${VERSION_ID:-}")" = debian13 ]; then linker=binutils-gold; fi
    say $linker g++ git libcurl4-openssl-dev libedit-dev libicu-dev libncurses-dev libpython3-dev libsqlite3-dev \
        libxml2-dev libz3-dev pkg-config tzdata unzip uuid-dev zlib1g-dev
}

# Whether to fetch a toolchain: told so by --install-swift, or asked at a terminal.
wants_swift() {
    local argument answer
    for argument in "$@"; do [ "$argument" != --install-swift ] || return 0; done
    [ -t 0 ] && [ -t 1 ] || return 1
    read -r -p "Fetch Swift $pinned_swift (1 GB, 3.5 GB unpacked) into $swift_home? [y/N] " answer
    [ "$answer" = y ] || [ "$answer" = Y ]
}

# Before the first build: a compiler that links, room on the disk, and the Swift packages that are built too.
prepare_first_build() {
    require_space . 2 "the build"
    local place says
    place=$(mktemp -d) || fail "no temporary folder; TMPDIR names one that can be written to"
    printf 'import Foundation\nprint(Date())\n' >"$place/main.swift"
    if ! says=$(swiftc "$place/main.swift" -o "$place/main" 2>&1 && "$place/main" 2>&1); then
        say "Swift $1 cannot build a program yet"
        install_packages $(swift_packages) || exit 7
        says=$(swiftc "$place/main.swift" -o "$place/main" 2>&1 && "$place/main" 2>&1) ||
            fail "Swift $1 at $(command -v swift) cannot build a program: $says"
    fi
    rm -rf "$place"
    swift package resolve || fail "the Swift packages that Package.swift names could not be fetched, see above; git reaches" \
        "github.com through https_proxy, if that is set. Without a network, resolve where there is one, and bring the" \
        "checkout with its .build"
}

# Ends the script where a folder's disk has less room than that many gigabytes.
require_space() {
    local free
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "${free:-0}" -ge "$2" ] || fail "$3 needs $2 GB in $(cd "$1" && pwd), where ${free:-0} GB are free; make room" \
        "there, or take another folder"
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
