#!/bin/sh
# The whole suite under AddressSanitizer, LeakSanitizer and UndefinedBehaviourSanitizer. Installs what is missing
# (Debian), configures, builds, tests. Arguments go to `meson test`:
#
#     sh tests/run.sh tape grad      only these
#     sh tests/run.sh --list
#     sh tests/run.sh --full         then also the mutation test (tests/mutants.c), on an optimised build: a quarter of an hour
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${GRADUS_BUILD:-$root/build-sanitized}
full=no
if [ "${1:-}" = --full ]; then
    full=yes
    shift
fi

. "$root/tests/support/packages.sh"
packages_ensure "$packages_base check" "$packages_fast libjansson-dev graphviz"

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" -Dbuildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Dtests=enabled
fi
meson test -C "$build" --print-errorlogs "$@"
[ "$full" = yes ] || exit 0

fast=$build-mutants
if [ ! -f "$fast/build.ninja" ]; then
    meson setup "$fast" "$root" -Dbuildtype=release -Dtests=enabled -Djansson=enabled
fi
ninja -C "$fast" tests/mutants
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$fast/tests/mutants" "$root/tests/data/conformance" --jobs "$(nproc)"
