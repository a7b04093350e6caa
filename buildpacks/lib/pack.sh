# Sourced by the scripts of our buildpacks: what all of them need. bash.
# shellcheck shell=bash

set -eu -o pipefail

say() { printf -- '-----> %s\n' "$*"; }
tell() { printf '       %s\n' "$*"; }

# fail LINE...: says why and ends the build.
fail() {
    printf ' !     %s\n' "$@"
    exit 1
}

# need PROGRAM PACKAGE: one line with what to install where a toolchain is missing.
need() {
    command -v "$1" >/dev/null || fail "$1 is not on this machine; on Debian: apt-get install $2"
}

# load_env ENV_DIR: the project's configuration becomes variables, but for those that would break the build itself.
load_env() {
    local file name
    for file in "$1"/*; do
        name=${file##*/}
        case $name in
            '*' | PATH | HOME | PWD | SHELL | IFS | GIT_* | LD_* | BASH_* | CPATH | CPPATH | STACK) ;;
            *) export "$name=$(cat "$file")" ;;
        esac
    done
}

# key_of WORD...: a name for a state of things: the words and, for those that are files, what is in them.
key_of() {
    local word
    for word in "$@"; do
        printf '%s\n' "$word"
        if [ -f "$word" ]; then cat "$word"; fi
    done | sha256sum | cut -c 1-32
}

# restored CACHE_DIR NAME KEY PATH: brings PATH back as it was kept under that key; false when it was not.
restored() {
    [ "$(cat "$1/$2/key" 2>/dev/null)" = "$3" ] || return 1
    rm -rf "$4"
    mkdir -p "$(dirname "$4")"
    cp -a --reflink=auto "$1/$2/tree" "$4"
    touch "$1/$2"
}

# keep CACHE_DIR NAME KEY PATH: for the next build. Whole or not at all: the key is written last.
keep() {
    rm -rf "${1:?}/$2"
    if [ -e "$4" ]; then
        mkdir -p "$1/$2"
        cp -a --reflink=auto "$4" "$1/$2/tree"
        printf '%s' "$3" >"$1/$2/key"
    fi
}

# on_path NAME DIRECTORY...: further places for programs when the application runs; relative to it.
on_path() {
    local name=$1 line='export PATH="'
    shift
    for directory in "$@"; do line="$line\$HOME/$directory:"; done
    mkdir -p "$build/.profile.d"
    printf '%s$PATH"\n' "$line" >"$build/.profile.d/$name.sh"
}

# Who we are and what we were given.
pack=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2034 # used where this is sourced
lib=$pack/../lib build=${1:-} cache=${2:-} env_dir=${3:-}
if [ -n "$build" ]; then cd "$build"; fi
