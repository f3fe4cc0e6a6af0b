#!/bin/sh
# How char_lstm and char_gpt behave: options, errors and exit statuses; that they learn, and write; the same bits from the
# same seed; saving, loading, pictures, Ctrl-C, and what becomes of a run that was killed.
#
#     test_char.sh PROGRAM
set -eu
reports='held-out loss'
# shellcheck source-path=SCRIPTDIR source=support/program.sh
. "$(dirname -- "$0")/support/program.sh"

small="--layers 1 --width 24 --batch 4 --context 16 --every 10 --length 40 --dropout 0.1"
run="$small --steps 60"

# ---- wrong options: exit status 2, naming the option and the value ----
expect 2 "unknown option '--frobnicate'" --frobnicate
expect 2 "'surplus' is not an option" surplus
expect 2 "option '--steps' needs an argument" --steps
expect 2 "option '--quiet' takes no argument" --quiet=1
for value in 3x -1 '' ' 3' 1e3; do
    expect 2 "--steps: '$value'" --steps "$value"
done
for option in every batch context layers width; do
    expect 2 "--$option: '0'" --$option 0
done
for value in 0 -0.1 nan inf 0.1x ''; do
    expect 2 "--lr: '$value'" --lr "$value"
done
for value in 1.01 2 -0.1 nan ''; do
    expect 2 "--dropout: '$value'" --dropout "$value"
done
expect 2 "--temperature: 'hot' is not a number from 0 to 100" --temperature hot
for option in --text --load --save --checkpoint --plot; do
    expect 2 "$option: ''" $option ''
done
expect 2 "--checkpoint: 'x' is the file of --save, too" --checkpoint x --save x
if [ "$name" = char_gpt ]; then
    expect 2 "--heads: 4 does not divide --width, 10" --width 10
else
    expect 2 "unknown option '--heads'" --heads 2
fi
expect 0 "Usage: $name" --help

# ---- what would spoil the end is found before training: exit status 1 ----
expect 1 "no-such-folder/net" --save no-such-folder/net
expect 1 "no-such-folder/run" --checkpoint no-such-folder/run
expect 1 "must end in .png or .svg" --plot curves.jpeg
! [ -s output ] || fail "training began although the picture cannot be drawn"

# shellcheck disable=SC2086 # words are wanted, from here on
{
    # ---- texts ----
    expect 1 "no-such-file" --text no-such-file
    expect 1 "directory" --text .
    : >empty
    expect 1 "empty has 0 characters; with --context 16 it takes 20" $run --text empty
    printf '%0112d' 0 >short
    expect 1 "short has 112 characters; with --context 100 it takes 113" $run --context 100 --text short
    printf '%0113d' 0 >least
    expect 0 "1 characters; a text of 102 to learn from, and 11 held out" $small --steps 1 --context 100 --text least
    printf 'ol\303\251\nol\351\n' >latin
    expect 1 "latin: line 2: the byte e9 is not UTF-8 here" --text latin
    line=$(printf 'a\303\251\342\202\254\360\237\230\200') # a, an accent, a euro sign, a smile
    i=0
    while [ "$i" -lt 100 ]; do
        printf '%s\n' "$line"
        i=$((i + 1))
    done >wide
    expect 0 "5 characters; a text of 450 to learn from, and 50 held out" $run --text wide --lr 0.01
    "$program" $run --text wide --lr 0.01 --temperature 0 --quiet >written 2>errors || fail "a quiet run fails"
    head -n 8 wide | cmp -s - written || fail "not learnt by heart: $(cat written)"

    # ---- a run: a line each stretch, the losses, the text ----
    expect 0 "training loss" $run
    [ "$(grep -c '^step' output)" -eq 6 ] || fail "not one line a stretch"
    ! [ -s errors ] || fail "something on stderr, which is no terminal"
    grep -qE '^step +60/60  epochs 0\.1  loss [0-9.]+  held out [0-9.]+  [0-9.]+ s$' output || fail "the last stretch"
    awk '/^step/ { loss[++n] = $6 } END { exit !(loss[6] < loss[1] - 0.5) }' output || fail "it does not learn"
    grep -qE '^training loss [0-9.]+, held-out loss [0-9.]+ nats a character$' output || fail "no losses in the end"
    sed 1,9d output >last # all but the heading, the stretches, the losses and an empty line
    "$program" $run --quiet >quiet 2>errors || fail "a quiet run fails"
    cmp -s last quiet || fail "--quiet prints something else than what is written"
    case $(wc -c <quiet) in
    40 | 41) ;;
    *) fail "not 40 characters, and the end of a line: $(cat quiet)" ;;
    esac
    expect 1 "a smaller --lr may help" $run --lr 1e38 --save never
    ! [ -e never ] || fail "parameters of a failed run are saved"
    [ ! -e /dev/full ] || ! "$program" $run --quiet >/dev/full 2>errors || fail "a full disk goes unnoticed"

    # ---- the same seed, the same text and bits, with any number of threads; another one, others ----
    expect 0 "saved one" $run --save one
    expect 0 "saved two" $run --save two --threads 2
    cmp -s one two || fail "the same seed gives other parameters with two threads"
    "$program" $run --quiet --threads 2 >again 2>errors || fail "a quiet run fails"
    cmp -s quiet again || fail "the same seed writes another text"
    expect 0 "saved three" $run --seed 2 --save three
    ! cmp -s one three || fail "another seed gives the same parameters"

    # ---- loading: the network knows its characters ----
    write="$small --steps 0 --load one --quiet"
    "$program" $write >again 2>errors || fail "what was saved does not write"
    cmp -s quiet again || fail "a network writes something else after its way through a file"
    expect 0 "saved four" $small --steps 0 --load one --save four
    cmp -s one four || fail "parameters change on the way through a file"
    expect 0 "Netherfield" $write --prompt Netherfield
    "$program" $write --prompt Netherfield --length 0 >again 2>errors || fail "a prompt alone fails"
    [ "$(cat again)" = Netherfield ] || fail "a prompt with nothing behind it: $(cat again)"
    expect 1 "--prompt has the character 'ß' (U+00DF), which the network does not know" $write --prompt 'Straße'
    expect 1 "--prompt: line 1: the byte ff is not UTF-8" $write --prompt "$(printf '\377')"
    expect 1 "wide has the character 'é' (U+00E9), which the network does not know" $run --load one --text wide
    expect 0 "69 characters" $small --steps 1 --load one
    printf 'Mr. Bennet was among the earliest of those who waited on him.\n' >few
    expect 0 "69 characters" $small --steps 1 --load one --text few
    cp one before
    expect 1 "one" $run --width 12 --load one --save one
    cmp -s one before || fail "a failed run changed the file it was to save to"
    expect 1 "no-such-file" $run --load no-such-file
    expect 1 "wide" $run --load wide
    "$program" $write --temperature 0 --seed 1 >cold 2>errors || fail "the likeliest characters are not written"
    "$program" $write --temperature 0 --seed 2 >again 2>errors || fail "the likeliest characters are not written"
    cmp -s cold again || fail "the likeliest characters depend on a seed"
    "$program" $write --seed 2 >again 2>errors || fail "another seed does not write"
    ! cmp -s quiet again || fail "another seed writes the same"

    # ---- killed at any moment, the same command goes on: parameters, to the bit, of a run that was never stopped ----
    long="$small --steps 300"
    expect 0 "saved whole" $long --save whole
    for wait in 0 0.1 0.2; do
        rm -f kept
        start $long --checkpoint kept --save gone
        await test -s kept
        sleep "$wait"
        end_by KILL
        [ "$status" -eq 137 ] || [ "$status" -eq 0 ] || fail "exit status $status of a run that was killed"
        expect 0 "going on after step" $long --checkpoint kept --save resumed
        cmp -s whole resumed || fail "killed and resumed, it has other parameters"
    done
    expect 0 "going on after step 300" $long --checkpoint kept --save resumed
    cmp -s whole resumed || fail "a finished run changes when it is resumed"
    expect 1 "kept does not fit the run: seed is 1, should be 2" $long --checkpoint kept --seed 2
    expect 1 "text is" $long --checkpoint kept --text few
    expect 1 "lr is" $long --checkpoint kept --lr 0.001
    expect 1 "wide has the character" $long --checkpoint kept --text wide
    head -c 1000 kept >torn
    expect 1 "torn" $long --checkpoint torn

    # ---- Ctrl-C: saved, reported and written, exit status 130 ----
    start $small --steps 1000000 --checkpoint kept2 --save stopped
    await test -s kept2
    end_by INT
    [ "$status" -eq 130 ] || fail "exit status $status after an interrupt"
    grep -q 'interrupted after' errors || fail "an interrupt goes unsaid"
    grep -q 'held-out loss' output || fail "no losses after an interrupt"
    expect 0 "" $small --steps 0 --load stopped --quiet

    # ---- pictures, where the build draws them ----
    status=0
    "$program" $run --plot run.png >output 2>errors || status=$?
    if grep -q 'this build draws no pictures' errors; then
        [ "$status" -eq 1 ] || fail "no picture is drawn, but the exit status is $status"
    else
        [ "$(head -c 4 run.png | tail -c 3)" = PNG ] || fail "run.png is no PNG"
        expect 0 "drew run.svg" $run --plot run.svg
        head -n 3 run.svg | grep -q '<svg' || fail "run.svg is no SVG"
        expect 0 "drew whole.svg" $long --plot whole.svg
        expect 0 "drew resumed.svg" $long --checkpoint kept --plot resumed.svg
        cmp -s whole.svg resumed.svg || fail "killed and resumed, it has other curves"
    fi
}

finish
