#!/bin/sh
# Installs a build into a temporary folder, then builds a C and a C++ program against the installed libraries with
# what pkg-config says and nothing else, and runs them.
#
#     CC=... CXX=... install.sh BUILD [FLAGS...]     FLAGS: those that every user needs (sanitizers)
set -eu
build=$1
shift
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

meson install -C "$build" --no-rebuild --quiet --destdir "$folder"
description=$(find "$folder" -name gradus-nn.pc)
[ -n "$description" ] || fail "gradus-nn.pc is not installed"
PKG_CONFIG_PATH=$(dirname "$description")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(pkg-config --variable=libdir gradus-nn)
export LD_LIBRARY_PATH
warnings="-Wall -Wextra -Wconversion -Wshadow -Werror"

# shellcheck disable=SC2046,SC2086,SC2048 # words are wanted
try() { # COMPILER... : build and run the program named by $source
    $* $warnings -o "$folder/program" "$source" $(pkg-config --cflags --libs gradus-nn) ||
        fail "$source does not compile with: $*"
    "$folder/program" || fail "$source, compiled with $*: exit status $?"
}
source=$here/consumer/consumer.c
try "$CC" -std=c11 "$@"
source=$here/consumer/consumer.cc
try "$CXX" -std=c++11 "$@"
try "$CXX" -std=c++20 "$@"

# Of the headers, only the public ones; of the symbols, only what AG_API and NN_API name.
internal=$(find "$folder" -name '*_impl.h' -o -path '*/kernels/*' -o -name arena.h -o -name file.h)
[ -z "$internal" ] || fail "internal headers are installed: $internal"
for library in "$LD_LIBRARY_PATH"/libgradus-*.so; do
    leaked=$(nm -D --defined-only "$library" | awk '$3 ~ /^(agx|nnx)_/ { print $3 }')
    [ -z "$leaked" ] || fail "$library shows internal symbols: $leaked"
done
