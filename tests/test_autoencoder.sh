#!/bin/sh
# How the program autoencoder behaves: options, errors, what it prints last, the same bits from the same seed, saving,
# loading, pictures in every build, Ctrl-C, and what becomes of a run that was killed.
#
#     test_autoencoder.sh PROGRAM with|without
#
# "without": a build that has no cairo.
set -eu
reports='^loss'
# shellcheck source-path=SCRIPTDIR source=support/program.sh
. "$(dirname -- "$0")/support/program.sh"
cairo=$2

# The numbers of the last line, in its order: loss in training, held out, RMSE twice, that of the mean image.
number() {
    tail -n 1 output | sed 's/[^0-9.]\{1,\}/ /g' | awk -v n="$1" '{ print $n }'
}
expect_report() {
    tail -n 1 output | grep -qE '^loss [0-9.]+ nats a pixel in training, [0-9.]+ held out; RMSE [0-9.]+, [0-9.]+; by the mean image [0-9.]+$' ||
        fail "the last line is: $(tail -n 1 output)"
}

# ---- a small data set in the four-file layout: 40 images of 4 x 4 pixels, bars that lie and bars that stand ----
mkdir small odd
lying='\377\377\377\377\000\000\000\000\000\000\000\000\000\000\000\000'
standing='\000\377\000\000\000\377\000\000\000\377\000\000\000\377\000\000'
for set in train t10k; do
    write_pair "small/$set" 4 "$lying" "$standing"
    write_pair "odd/$set" 3 "$lying" "$standing"
done
small="--data small --bottleneck 2 --batch 8"

# ---- options, outputs, data ----
expect 2 "unknown option '--frobnicate'" --frobnicate
expect 2 "--bottleneck: '0'" --bottleneck 0
expect 2 "'surplus' is not an option" surplus
expect 0 "Usage: autoencoder [OPTION]..." --help
expect 1 "--save: none/net" --save none/net
expect 1 "--picture: none/p.pgm" --picture none/p.pgm
expect 1 "must end in .png, .svg or .pgm" --walk walk.jpeg
! [ -s output ] || fail "work began although its picture cannot be drawn"
expect 1 "nowhere" --data nowhere
expect 1 "images of 9 pixels are no squares whose sides can be halved twice" --data odd

# shellcheck disable=SC2086 # words are wanted
{
    # ---- a run: two kinds of images need one number ----
    expect 0 "16 pixels through 2 numbers" $small --epochs 40 --save one --history run.csv
    expect_report
    [ "$(grep -c '^epoch' output)" -eq 40 ] || fail "not one line an epoch"
    [ "$(wc -l <run.csv)" -eq 41 ] || fail "run.csv has not a line for each epoch"
    awk -v r="$(number 4)" -v m="$(number 5)" 'BEGIN { exit !(r < 0.1 && m > 0.3 && m < 0.5) }' ||
        fail "two images are not learnt"
    last=$(tail -n 1 output)

    # ---- the same bits, saved and loaded ----
    expect 0 "$last" $small --epochs 0 --load one --quiet
    [ "$(wc -l <output)" -eq 1 ] || fail "--quiet prints more than the last line"
    expect 0 "$last" $small --epochs 40 --save two --quiet --threads 2
    cmp -s one two || fail "the same seed gives other parameters with two threads"
    expect 0 "loss" $small --epochs 1 --seed 2 --save three --quiet
    ! cmp -s one three || fail "another seed gives the same parameters"
    expect 1 "one" --data small --bottleneck 3 --load one

    # ---- pictures: PGM in every build. Three pairs of rows of ten images of 4 x 4, 4 points between them ----
    expect 0 "drew pairs.pgm" $small --epochs 0 --load one --picture pairs.pgm --walk walk.pgm
    [ "$(head -c 13 pairs.pgm)" = "$(printf 'P5\n84 52\n255')" ] || fail "pairs.pgm begins: $(head -c 13 pairs.pgm)"
    [ "$(wc -c <pairs.pgm)" -eq $((13 + 84 * 52)) ] || fail "pairs.pgm has $(wc -c <pairs.pgm) bytes"
    [ "$(wc -c <walk.pgm)" -eq $((13 + 84 * 44)) ] || fail "walk.pgm has $(wc -c <walk.pgm) bytes"
    # the first image is a bar that lies, ink on paper; below it what was made of it
    row() { tail -c +$((14 + 84 * $1 + 4)) pairs.pgm | head -c 4 | od -An -tu1 | tr -s ' '; }
    [ "$(row 4)$(row 5)" = " 0 0 0 0 255 255 255 255" ] || fail "the first image is not there: $(row 4)$(row 5)"
    echo "$(row 12) $(row 13)" | awk '{ exit !($1 < 60 && $4 < 60 && $5 > 195 && $8 > 195) }' ||
        fail "it is not made again: $(row 12) $(row 13)"

    # fewer images held out than there are places: these stay empty
    mkdir few
    (cd few && write_pair train 4 "$lying" "$standing" && cp train-labels-idx1-ubyte t10k-labels-idx1-ubyte && {
        # shellcheck disable=SC2059 # the formats are escapes
        printf "\\000\\000\\010\\003$(octal 3)$(octal 4)$(octal 4)" && head -c 64 train-images-idx3-ubyte | tail -c 48
    } >t10k-images-idx3-ubyte && {
        # shellcheck disable=SC2059
        printf "\\000\\000\\010\\001$(octal 3)" && printf '\000\001\000'
    } >t10k-labels-idx1-ubyte)
    expect 0 "drew pairs.pgm" --data few --bottleneck 2 --epochs 0 --picture pairs.pgm --walk walk.pgm
    [ "$(wc -c <pairs.pgm)" -eq $((13 + 84 * 52)) ] || fail "with few images pairs.pgm has $(wc -c <pairs.pgm) bytes"

    if [ "$cairo" = with ]; then
        expect 0 "drew walk.svg" $small --epochs 2 --picture pairs.png --walk walk.svg --plot run.svg
        [ "$(head -c 4 pairs.png | tail -c 3)" = PNG ] || fail "pairs.png is no PNG"
        tail -n 1 walk.svg | grep -qF '</svg>' || fail "half an SVG"
        tail -n 1 run.svg | grep -qF '</svg>' || fail "half an SVG"
    else
        expect 1 "without cairo; a name in .pgm does without it" $small --picture pairs.png
        expect 1 "built without cairo" $small --plot run.svg
    fi

    # ---- Ctrl-C: reported, written, exit status 130 ----
    start_and_wait_for_an_epoch $small --save stopped
    end_by INT
    [ "$status" -eq 130 ] || fail "exit status $status after an interrupt"
    grep -q 'interrupted' errors || fail "an interrupt goes unsaid"
    expect_report
    expect 0 "loss" $small --epochs 0 --load stopped
}

# ---- killed at any moment, the same command goes on, and ends with the bits of a run that never stopped ----

# shellcheck disable=SC2086 # words are wanted
{
    killed_and_resumed $small --epochs 1500
    cp killed/run before
    expect 1 "killed/run does not fit the run: bottleneck is 2, should be 3" \
        --data small --bottleneck 3 --batch 8 --epochs 1500 --checkpoint killed/run
    for other in "--epochs 1400" "--lr 0.5" "--batch 9" "--seed 2"; do
        setting=${other#--}
        expect 1 "${setting% *} is" --data small --bottleneck 2 --batch 8 --epochs 1500 $other --checkpoint killed/run
    done
    expect 1 "data is 40 of digest" --bottleneck 2 --batch 8 --epochs 1500 --checkpoint killed/run
    expect 1 "load is not given, should be given" $small --epochs 1500 --load one --checkpoint killed/run
    cmp -s killed/run before || fail "a checkpoint that was refused has changed"
    head -c 1000 before >torn
    expect 1 "torn" $small --epochs 1500 --checkpoint torn
    expect 1 "one does not fit the run" $small --checkpoint one
    expect 1 "--checkpoint: none/run" $small --checkpoint none/run
    expect 2 "--checkpoint: 'net' is the file of --save, too" $small --save net --checkpoint net
    expect 0 "saved kept" $small --epochs 4 --load one --save kept
    expect 0 "loss" $small --epochs 4 --load one --checkpoint of-load
    cp one first
    rm one
    expect 0 "saved again" $small --epochs 4 --load one --checkpoint of-load --save again
    cmp -s kept again || fail "a run of --load goes on otherwise, or needs its file"
    mv first one
}

# ---- the drawn digits: after one epoch more is known of them than their mean ----
expect 0 "784 pixels through 32 numbers" --epochs 1
expect_report
awk -v r="$(number 4)" -v m="$(number 5)" 'BEGIN { exit !(r < 0.9 * m) }' || fail "the drawn digits are not learnt"

finish
