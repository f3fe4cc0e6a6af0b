#!/bin/sh
# Our steps and PyTorch's side by side, on one thread: the two programs alternate over several rounds; medians
# and ratios follow. Without a /usr/bin/python3 that imports torch (Debian: python3-torch) only ours is shown.
#
#     sh tests/bench/run.sh                       five rounds of everything
#     ROUNDS=3 sh tests/bench/run.sh --only mlp   arguments go to both programs
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${GRADUS_BUILD:-$root/build-bench}
rounds=${ROUNDS:-5}
export OMP_NUM_THREADS=1

. "$root/tests/support/packages.sh"
packages_ensure "$packages_base check python3" "$packages_fast"

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" -Dbuildtype=release -Dtests=enabled
fi
meson compile -C "$build" tests/bench/bench

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
torch=yes
/usr/bin/python3 -c 'import torch' 2>/dev/null || torch=
[ -n "$torch" ] || echo "No PyTorch here: only our own figures."

round=1
while [ "$round" -le "$rounds" ]; do
    echo "round $round of $rounds" >&2
    "$build/tests/bench/bench" --json --rounds 5 "$@" >"$folder/ours.$round"
    [ -z "$torch" ] || /usr/bin/python3 "$root/tests/bench/bench_torch.py" --rounds 3 "$@" >"$folder/theirs.$round"
    round=$((round + 1))
done
set -- "$folder"/ours.* --
[ -z "$torch" ] || set -- "$@" "$folder"/theirs.*
python3 "$root/tests/bench/compare.py" "$@"
