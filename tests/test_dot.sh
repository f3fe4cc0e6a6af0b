#!/bin/sh
# Lets an example draw its graph; the file must be a whole digraph and, where Graphviz is there, one that it can render.
#
#     test_dot.sh PROGRAM
set -eu
program=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"
"$program" --dot graph.dot
head -n 1 graph.dot | grep -qx 'digraph tape {'
tail -n 1 graph.dot | grep -qx '}'
grep -q -e '-> n' graph.dot
if command -v dot >/dev/null; then dot -Tsvg -o graph.svg graph.dot; fi
status=0
"$program" --dot >/dev/null 2>&1 || status=$?
test "$status" = 2
status=0
"$program" --dot none/graph.dot >/dev/null 2>said || status=$?
test "$status" = 1
grep -q 'none/graph.dot' said
