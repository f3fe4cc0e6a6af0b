#!/bin/sh
# The whole suite under AddressSanitizer, LeakSanitizer and UndefinedBehaviourSanitizer. Installs what is missing
# (Debian), configures, builds, tests. Arguments go to `meson test`:
#
#     sh tests/run.sh tape grad      only these
#     sh tests/run.sh --list
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${GRADUS_BUILD:-$root/build-sanitized}

. "$root/tests/support/packages.sh"
packages_ensure "$packages_base check" "$packages_fast libjansson-dev graphviz"

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" -Dbuildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Dtests=enabled
fi
exec meson test -C "$build" --print-errorlogs "$@"
