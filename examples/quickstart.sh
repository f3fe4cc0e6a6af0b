#!/bin/sh
# From an empty machine to a trained network: installs what is missing (Debian), builds a release build and
# trains examples/train_digits on digits that it draws itself. Arguments go to train_digits:
#
#     sh examples/quickstart.sh --epochs 3 --plot digits.svg
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${GRADUS_BUILD:-$root/build-release}

. "$root/tests/support/packages.sh"
packages_ensure "$packages_base" "$packages_fast"

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" -Dbuildtype=release -Dtests=disabled
fi
meson compile -C "$build"
exec "$build/examples/train_digits" "$@"
