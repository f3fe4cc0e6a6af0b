#!/bin/sh
# Runs a program in an empty folder; it must succeed and print every text given.
#
#     prints.sh PROGRAM [TEXT...]
set -eu
program=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"
"$program" >output || { status=$?; cat output; echo "$program: exit status $status" >&2; exit 1; }
cat output
for text in "$@"; do
    grep -qF -e "$text" output || { echo "$program does not print: $text" >&2; exit 1; }
done
