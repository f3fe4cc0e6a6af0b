#!/bin/sh
# A program that prints and draws: it prints every text given, and its --plot is a whole picture, or a failure that says why
# and comes before the work.
#
#     test_plot.sh with|without PROGRAM [TEXT...]
#
# "without": a build that has no cairo.
set -eu
cairo=$1
program=$(CDPATH='' cd -- "$(dirname -- "$2")" && pwd)/$(basename -- "$2")
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"

fail() {
    echo "$program: $1" >&2
    exit 1
}

# refused FILE: says so on stderr, has printed nothing, leaves nothing.
refused() {
    if "$program" --plot "$1" >output 2>message; then fail "--plot $1 is accepted"; fi
    grep -q "^${program##*/}: " message || fail "--plot $1 gives no reason"
    [ ! -s output ] || fail "--plot $1 is refused only after the work"
    [ ! -e "$1" ] || fail "--plot $1 leaves a file"
}

refused missing/picture.svg
refused picture.txt
if [ "$cairo" = without ]; then
    refused picture.svg
    "$program" >output
else
    "$program" --plot picture.svg >output
fi
cat output
for text in "$@"; do
    grep -qF -e "$text" output || fail "it does not print: $text"
done
[ "$cairo" = with ] || exit 0
head -c 5 picture.svg | grep -qF '<?xml' || fail 'no SVG'
tail -n 1 picture.svg | grep -qF '</svg>' || fail 'half an SVG'
