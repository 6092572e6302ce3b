# What the benchmark scripts share: the build, Python, and OpenBLAS's kernels. Meant to be sourced in the repository's root.
. launch/common.sh

# A Python with numpy and, if asked for, PyTorch, in a virtual environment outside of the checkout that is made once:
# ROBUSTMOE_VENV says where. pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, ...) say where packages come from.
use_python() {
    local packages=("$@")
    environment=${ROBUSTMOE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/robustmoe/venv}
    python=$environment/bin/python
    if [ ! -x "$python" ]; then
        say "making a virtual environment in $environment"
        python3 -m venv "$environment" || install_packages python3-venv
        [ -x "$python" ] || python3 -m venv "$environment"
    fi
    local package missing=()
    for package in "${packages[@]}"; do
        "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$package') is None)" ||
            missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "downloading ${missing[*]} into $environment: torch is some 200 MB without CUDA," \
        "about 3 GB with it (PIP_INDEX_URL chooses); others are a few MB"
    "$environment/bin/pip" install -q "${missing[@]}"
}

# The program itself picks OpenBLAS's widest kernels, and PyTorch its own: what an environment says about either goes.
choose_own_kernels() {
    local name
    for name in OPENBLAS_CORETYPE OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS; do
        if [ -n "${!name:-}" ]; then
            say "$name=${!name} is taken out of the environment: each side chooses its own kernels and threads"
            unset "$name"
        fi
    done
}

# Builds for this processor unless ROBUSTMOE_PROGRAM names a program; PORTABLE=1 takes the build that runs anywhere.
build_program() {
    program=${ROBUSTMOE_PROGRAM:-}
    if [ -z "$program" ] && [ "${PORTABLE:-}" = 1 ]; then
        ROBUSTMOE_MARCH=x86-64 launch/build
        program=.build-x86-64/release/robustmoe
    elif [ -z "$program" ]; then
        ROBUSTMOE_MARCH=native launch/build
        program=.build-native/release/robustmoe
    fi
    record_commit
}
