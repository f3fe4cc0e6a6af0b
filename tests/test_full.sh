#!/bin/sh
# A program whose standard output cannot be written says so and fails: every example, and --help of those that have it; of
# those that train for long, --help alone.
#
#     test_full.sh PROGRAM...
set -eu
[ -c /dev/full ] || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failures=0

refused() { # PROGRAM [ARGUMENT...]
    status=0
    "$@" >/dev/full 2>"$folder/errors" || status=$?
    name=${1##*/}
    if [ "$status" -ne 1 ] || ! grep -q "^$name: cannot write to the standard output\$" "$folder/errors"; then
        shift
        echo "$name $*: exit status $status on a full disk; $(cat "$folder/errors")" >&2
        failures=$((failures + 1))
    fi
}

for program; do
    name=${program##*/}
    case $name in
    0[12367]_*) refused "$program" ;; # these have no --help
    1[0-4]_*) refused "$program" --help ;; # they would train once more, for a minute under sanitizers
    [01][0-9]_*)
        refused "$program"
        refused "$program" --help
        ;;
    *)
        case $name in
        char_*) little="--steps 2 --every 1 --layers 1 --width 12 --batch 2 --context 8 --length 10" ;;
        autoencoder) little="--epochs 0 --bottleneck 2" ;;
        train_digits) little="--epochs 0 --hidden 4" ;;
        *) little="--epochs 1" ;;
        esac
        # shellcheck disable=SC2086 # words are wanted
        {
            refused "$program" $little
            refused "$program" $little --quiet
        }
        refused "$program" --help
        ;;
    esac
done
[ "$failures" -eq 0 ] || exit 1
echo "$# programs notice a full disk"
