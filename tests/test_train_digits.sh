#!/bin/sh
# How the program train_digits behaves: options, errors and exit statuses, what it prints last, the same bits from
# the same seed, saving, loading, pictures, and Ctrl-C.
#
#     test_train_digits.sh PROGRAM
set -eu
program=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
folder=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || :; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"
failures=0

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    | /' output errors >&2
    failures=$((failures + 1))
}

# expect STATUS TEXT [ARGUMENT...]: run the program; its exit status must be STATUS, and TEXT must stand in what it
# says on stderr (for a failure) or on stdout (for 0).
expect() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$program" "$@" >output 2>errors || status=$?
    [ "$status" -eq "$wanted" ] || fail "train_digits $*: exit status $status instead of $wanted"
    if [ "$wanted" -eq 0 ]; then where=output; else where=errors; fi
    grep -qF -e "$text" "$where" || fail "train_digits $*: does not say: $text"
    [ "$wanted" -eq 0 ] || [ "$wanted" -eq 130 ] || ! [ -s output ] || ! grep -q '^test accuracy' output ||
        fail "train_digits $*: reports an accuracy although it failed"
}

# The last line, such as: test accuracy 0.9615 (1923/2000)
expect_report() {
    tail -n 1 output | grep -qE '^test accuracy (0\.[0-9]{4}|1\.0000|nan) \([0-9]+/[0-9]+\)$' ||
        fail "the last line is: $(tail -n 1 output)"
}

# The program in the background, for very long, with one epoch done.
start_and_wait_for_an_epoch() { # [ARGUMENT...]
    : >output
    "$program" --epochs 100000 "$@" >output 2>errors &
    running=$!
    tries=0
    until grep -q '^epoch' output || [ "$tries" -ge 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
interrupt() { # sets $status
    kill -INT "$running"
    status=0
    wait "$running" || status=$?
    running=
}

# ---- a small data set in the four-file layout: 40 images of 2 x 2 pixels, of the classes 0 and 1 ----
octal() { # NUMBER: as four bytes, most significant first
    printf '\\%03o\\%03o\\%03o\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))
}
write_pair() { # PREFIX
    # shellcheck disable=SC2059 # the formats are escapes
    {
        printf "\\000\\000\\010\\003$(octal 40)$(octal 2)$(octal 2)" >"$1-images-idx3-ubyte"
        printf "\\000\\000\\010\\001$(octal 40)" >"$1-labels-idx1-ubyte"
    }
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        printf '\377\000\000\000\000\000\000\377' >>"$1-images-idx3-ubyte"
        printf '\000\001' >>"$1-labels-idx1-ubyte"
    done
}
mkdir small
(cd small && write_pair train && write_pair t10k)
small="--data small --hidden 8 --batch 16"

# ---- wrong options: exit status 2, naming the option and the value ----
expect 2 "unknown option '--frobnicate'" --frobnicate
expect 2 "unknown option '-x'" -xy
expect 2 "unknown option '-x'" --quiet -x
expect 2 "option '--s' is ambiguous: --schedule, --seed, --save" --s 1
expect 2 "option '--s' is ambiguous" --s=1
expect 2 "option '--quiet' takes no argument" --quiet=1
expect 2 "option '--epochs' needs an argument" --epochs
expect 2 "'surplus' is not an option" surplus
for value in 3x -1 '' ' 3' +3 1e3 0x10 99999999999999999999; do
    expect 2 "--epochs: '$value'" --epochs "$value"
done
expect 2 "--batch: '0'" --batch 0
expect 2 "--threads: 'many'" --threads many
expect 2 "--seed: '-1'" --seed -1
for value in 0 -0.1 nan inf 1e999 0.1x '' ' 1'; do
    expect 2 "--lr: '$value'" --lr "$value"
done
for value in '' 0 '256,' ',256' '256 128' 256,x 1,2,3,4,5,6,7,8,9; do
    expect 2 "--hidden: '$value'" --hidden "$value"
done
for option in --data --load --save --plot; do
    expect 2 "$option: ''" "$option" ''
done
expect 0 "Usage: train_digits" --help

# ---- what would spoil the end is found before training: exit status 1 ----
expect 1 "no-such-folder/net.safetensors" --save no-such-folder/net.safetensors
expect 1 "small" --save small
expect 1 "'small/': it names no file" --save small/
long=$(printf '%0255d' 0) # as long as a name may be
expect 1 "cannot write" --save "${long}0"
! [ -s output ] || fail "training began although a name is too long"
expect 1 "must end in .png or .svg" --plot curves.jpeg
! [ -s output ] || fail "training began although the picture cannot be drawn"

# ---- data and parameters that are missing or corrupt: exit status 1, saying what and where ----
expect 1 "no-such-folder" --data no-such-folder
expect 1 "not a folder" --data small/t10k-labels-idx1-ubyte
mkdir empty broken
expect 1 "empty: no t10k-images-idx3-ubyte" --data empty
cp small/* broken
head -c 100 small/train-images-idx3-ubyte >broken/train-images-idx3-ubyte
expect 1 "broken/train-images-idx3-ubyte" --data broken
cp small/train-images-idx3-ubyte broken
tail -c +9 small/t10k-labels-idx1-ubyte >broken/t10k-labels-idx1-ubyte
expect 1 "broken/t10k-labels-idx1-ubyte" --data broken
# shellcheck disable=SC2086 # words are wanted
{
    expect 1 "no-such-file" $small --load no-such-file
    head -c 1000 /dev/zero >zeros
    expect 1 "zeros" $small --load zeros

    # ---- a run: an epoch a line, the confusion matrix, the last line ----
    expect 0 "epoch  3/3  loss" $small --epochs 3
    expect_report
    [ "$(grep -c '^epoch' output)" -eq 3 ] || fail "not one line an epoch"
    ! [ -s errors ] || fail "something on stderr, which is no terminal"
    expect 0 "test accuracy" $small --epochs 1 --quiet
    expect_report
    [ "$(wc -l <output)" -eq 1 ] || fail "--quiet prints more than the last line"
    expect 0 "test accuracy 1.0000 (40/40)" $small --epochs 60 --lr 0.05 --quiet
    expect 1 "a smaller --lr may help" $small --epochs 50 --lr 1e38 --save never.safetensors
    ! [ -e never.safetensors ] || fail "parameters of a failed run are saved"
    [ ! -e /dev/full ] || ! "$program" $small --epochs 1 >/dev/full 2>errors || fail "a full disk goes unnoticed"

    # ---- the same seed, the same bits, with any number of threads ----
    expect 0 "saved one" $small --epochs 2 --seed 5 --save one --threads 1
    expect 0 "saved two" $small --epochs 2 --seed 5 --save two --threads 2
    expect 0 "saved three" $small --epochs 2 --seed 6 --save three
    cmp -s one two || fail "the same seed gives other parameters with two threads"
    ! cmp -s one three || fail "another seed gives the same parameters"

    # ---- saving and loading ----
    expect 0 "saved trained" $small --epochs 60 --lr 0.05 --save trained
    expect 0 "test accuracy 1.0000 (40/40)" $small --epochs 0 --load trained
    expect 0 "saved again" $small --epochs 0 --load trained --save again
    cmp -s trained again || fail "parameters change on the way through a file"
    cp trained before
    expect 1 "trained" --data small --hidden 9 --load trained --save trained
    expect 1 "0.weight" --data small --hidden 9 --load trained
    cmp -s trained before || fail "a failed run changed the file it was to save to"
    mkdir saved
    expect 0 "saved saved/net" $small --epochs 1 --load trained --save saved/net
    expect 0 "saved saved/net" $small --epochs 1 --load saved/net --save saved/net
    [ "$(ls -A saved)" = net ] || fail "beside the saved file there is: $(ls -A saved)"
    expect 0 "saved $long" $small --epochs 1 --save "$long"

    # ---- pictures, where the build draws them ----
    status=0
    "$program" $small --epochs 2 --plot run.png >output 2>errors || status=$?
    if grep -q 'this build draws no pictures' errors; then
        [ "$status" -eq 1 ] || fail "no picture is drawn, but the exit status is $status"
    else
        [ "$(head -c 4 run.png | tail -c 3)" = PNG ] || fail "run.png is no PNG"
        expect 0 "drew run.svg" $small --epochs 2 --plot run.svg
        head -n 3 run.svg | grep -q '<svg' || fail "run.svg is no SVG"
        expect 1 "no-such-folder/run.png" $small --plot no-such-folder/run.png
        expect 0 "drew" $small --epochs 1 --plot "${long%0000}.png"
    fi

    # ---- compressed files, where the build reads them ----
    cp -r small packed
    gzip packed/*
    status=0
    "$program" --data packed --epochs 1 >output 2>errors || status=$?
    [ "$status" -eq 0 ] || grep -q zlib errors || fail "compressed files are not read"

    # ---- Ctrl-C: saved, reported, exit status 130 ----
    start_and_wait_for_an_epoch $small --save stopped
    interrupt
    [ "$status" -eq 130 ] || fail "exit status $status after an interrupt"
    grep -q 'interrupted' errors || fail "an interrupt goes unsaid"
    expect_report
    expect 0 "test accuracy" $small --epochs 1 --load stopped

    # ---- what cannot be saved in the end is reported all the same, and complained of after that ----
    mkdir gone
    start_and_wait_for_an_epoch $small --save gone/net
    rmdir gone
    interrupt
    [ "$status" -eq 1 ] || fail "exit status $status after a save that failed"
    grep -q 'gone/net' errors || fail "a save that failed goes unsaid"
    grep -q '^saved' output && fail "says saved of what is not"
    expect_report
}

# ---- the drawn digits: learnt within two epochs, on a small network ----
expect 0 "test accuracy" --epochs 2 --hidden 32 --quiet
grep -q '^test accuracy 0\.[89]' output || fail "the drawn digits are not learnt"
grep -qE '/2000\)$' output || fail "not tested on 2,000 digits"

[ "$failures" -eq 0 ] || { echo "$failures failures" >&2; exit 1; }
echo "train_digits behaves"
