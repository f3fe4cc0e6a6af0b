#!/bin/sh
# How the program train_digits behaves, with both its models: options, errors and exit statuses, what it prints last,
# the same bits from the same seed, saving, loading, pictures, Ctrl-C, and runs that are killed and go on.
#
#     test_train_digits.sh PROGRAM
set -eu
reports='^test accuracy'
# shellcheck source-path=SCRIPTDIR source=support/program.sh
. "$(dirname -- "$0")/support/program.sh"

# The last line, such as: test accuracy 0.9615 (1923/2000)
expect_report() {
    tail -n 1 output | grep -qE '^test accuracy (0\.[0-9]{4}|1\.0000|nan) \([0-9]+/[0-9]+\)$' ||
        fail "the last line is: $(tail -n 1 output)"
}

# ---- a small data set in the four-file layout: 40 images of 2 x 2 pixels, of the classes 0 and 1 ----
mkdir small
for set in train t10k; do write_pair "small/$set" 2 '\377\000\000\000' '\000\000\000\377'; done
small="--data small --hidden 8 --batch 16"

# As many of 16 x 16 pixels, for convolutions: class 0 has its ink on the left, class 1 on the right.
ink='\377\377\377\377\377\377\377\377' paper='\000\000\000\000\000\000\000\000'
left=$ink$paper right=$paper$ink
left=$left$left$left$left right=$right$right$right$right
left=$left$left$left$left right=$right$right$right$right
mkdir large
for set in train t10k; do write_pair "large/$set" 16 "$left" "$right"; done
large="--model cnn --data large --batch 16"

# ---- wrong options: exit status 2, naming the option and the value ----
expect 2 "unknown option '--frobnicate'" --frobnicate
expect 2 "unknown option '-x'" -xy
expect 2 "unknown option '-x'" --quiet -x
expect 2 "option '--s' is ambiguous: --samples, --schedule, --seed, --save" --s 1
expect 2 "option '--s' is ambiguous" --s=1
expect 2 "option '--quiet' takes no argument" --quiet=1
expect 2 "option '--epochs' needs an argument" --epochs
expect 2 "'surplus' is not an option" surplus
for value in 3x -1 '' ' 3' +3 1e3 0x10 99999999999999999999; do
    expect 2 "--epochs: '$value'" --epochs "$value"
done
expect 2 "--batch: '0'" --batch 0
expect 2 "--samples: '0'" --samples 0
expect 2 "--threads: 'many'" --threads many
expect 2 "--seed: '-1'" --seed -1
for value in 0 -0.1 nan inf 1e999 0.1x '' ' 1'; do
    expect 2 "--lr: '$value'" --lr "$value"
done
for value in '' 0 '256,' ',256' '256 128' 256,x 1,2,3,4,5,6,7,8,9; do
    expect 2 "--hidden: '$value'" --hidden "$value"
done
expect 2 "--model: 'perceptron' is not one of: mlp, cnn" --model perceptron
expect 2 "--model: ''" --model ''
expect 2 "--schedule: 'linear' is not one of: constant, cosine" --schedule linear
expect 2 "--hidden: belongs to --model mlp" --model cnn --hidden 8
expect 2 "--hidden: belongs to --model mlp" --hidden 8 --model cnn
expect 2 "--checkpoint: 'net' is the file of --save, too" --save net --checkpoint net
for option in --data --load --save --checkpoint --plot; do
    expect 2 "$option: ''" "$option" ''
done
expect 0 "Usage: train_digits" --help

# ---- what would spoil the end is found before training: exit status 1 ----
expect 1 "no-such-folder/net.safetensors" --save no-such-folder/net.safetensors
expect 1 "small" --save small
expect 1 "no-such-folder/run" --checkpoint no-such-folder/run
expect 1 "small" --checkpoint small
expect 1 "small/: is a directory" --save small/
long=$(printf '%0255d' 0) # as long as a name may be
expect 1 "cannot examine" --save "${long}0"
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
    expect 0 "20 samples to train, 40 to test" $small --epochs 2 --seed 5 --samples 20 --save three
    ! cmp -s one three || fail "fewer samples give the same parameters"
    expect 0 "saved three" $small --epochs 2 --seed 5 --samples 40 --save three
    cmp -s one three || fail "all samples give other parameters than all"
    expect 1 "--samples 41: there are 40 to train" $small --samples 41

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

        # ---- the curves of a run that was resumed are those of all its epochs ----
        expect 0 "epoch  5/5" $small --epochs 5 --checkpoint five
        for epochs in 2 3 4; do
            expect 0 "epoch  $epochs/$epochs" $small --epochs "$epochs" --checkpoint parts
        done
        expect 0 "drew four.svg" $small --epochs 4 --checkpoint parts --plot four.svg
        expect 0 "epoch  5/5" $small --epochs 5 --checkpoint parts
        expect 0 "drew parts.svg" $small --epochs 5 --checkpoint parts --plot parts.svg
        expect 0 "drew whole.svg" $small --epochs 5 --checkpoint five --plot whole.svg
        cmp -s whole.svg parts.svg || fail "resumed, a run has other curves"
        ! cmp -s four.svg parts.svg || fail "a fifth epoch is in no curve"
    fi

    # ---- compressed files, where the build reads them ----
    cp -r small packed
    gzip packed/*
    status=0
    "$program" --data packed --epochs 1 >output 2>errors || status=$?
    [ "$status" -eq 0 ] || grep -q zlib errors || fail "compressed files are not read"

    # ---- Ctrl-C: saved, reported, exit status 130 ----
    start_and_wait_for_an_epoch $small --save stopped
    end_by INT
    [ "$status" -eq 130 ] || fail "exit status $status after an interrupt"
    grep -q 'interrupted' errors || fail "an interrupt goes unsaid"
    expect_report
    expect 0 "test accuracy" $small --epochs 1 --load stopped

    # ---- what cannot be saved in the end is reported all the same, and complained of after that ----
    mkdir gone
    start_and_wait_for_an_epoch $small --save gone/net
    rmdir gone
    end_by INT
    [ "$status" -eq 1 ] || fail "exit status $status after a save that failed"
    grep -q 'gone/net' errors || fail "a save that failed goes unsaid"
    grep -q '^saved' output && fail "says saved of what is not"
    expect_report
}

# ---- the convolutional network ----
expect 1 "at least 16 x 16 pixels, and these have 4 pixels" --model cnn --data small
# shellcheck disable=SC2086 # words are wanted
{
    expect 0 "test accuracy 1.0000 (40/40)" $large --epochs 5
    grep -qi 'conv2d' output || fail "the layers are not listed"
    expect 0 "saved one" $large --epochs 3 --seed 5 --save one --threads 1
    expect 0 "saved two" $large --epochs 3 --seed 5 --save two --threads 2
    expect 0 "saved three" $large --epochs 3 --seed 5 --save three --schedule constant
    cmp -s one two || fail "the same seed gives another cnn with two threads"
    ! cmp -s one three || fail "another schedule gives the same parameters"
    expect 0 "saved again" $large --epochs 0 --load one --save again
    cmp -s one again || fail "a cnn's parameters change on the way through a file"
    expect 0 "saved perceptron" --data large --hidden 8 --epochs 1 --save perceptron
    expect 1 "perceptron has the weights of --model mlp, not of cnn" $large --load perceptron
    expect 1 "one has the weights of --model cnn, not of mlp" --data large --load one
}

# ---- killed at any moment, the same command goes on, and ends with the bits of a run that never stopped ----

# The command goes on from the checkpoint, if there is one; kill_it ends it.
go_on() { # [ARGUMENT...]
    start "$@" --checkpoint killed/run --save killed/net
}
kill_it() {
    end_by KILL
    case $status in
    0) ;; # it was faster
    137) kills=$((kills + 1)) ;;
    *) fail "exit status $status, from a checkpoint of a run that was killed" ;;
    esac
    if grep -q '^going on after epoch' output; then resumptions=$((resumptions + 1)); fi
}
killed_and_resumed() { # [ARGUMENT...]
    rm -rf killed
    mkdir killed
    kills=0 resumptions=0 status=1
    expect 0 "saved whole" "$@" --save whole
    go_on "$@" # once surely between two checkpoints, however slow the machine
    until [ -e killed/run ] || ! kill -0 "$running" 2>/dev/null; do sleep 0.01; done
    kill_it
    for _ in 1 2 3 4 5 6 7 8; do
        [ "$status" -eq 137 ] || break
        go_on "$@"
        sleep "0.$(od -An -N2 -tu2 /dev/urandom | awk '{ printf "%03d", $1 % 250 }')"
        kill_it
    done
    expect 0 "test accuracy" "$@" --checkpoint killed/run --save killed/net
    if grep -q '^going on after epoch' output; then resumptions=$((resumptions + 1)); fi
    cmp -s whole killed/net || fail "after $kills kills the weights of $* are others"
    if [ "$kills" -eq 0 ] || [ "$resumptions" -eq 0 ]; then
        fail "$kills kills, $resumptions resumptions: nothing was tested"
    fi
    for file in killed/* killed/.[!.]*; do
        case $file in
        killed/run | killed/net | killed/.gradus.tmp.* | 'killed/.[!.]*') ;;
        *) fail "a run that was killed left $file" ;;
        esac
    done
}
# shellcheck disable=SC2086
{
    killed_and_resumed $small --epochs 400
    killed_and_resumed $large --epochs 200

    # All is done: it reports and saves again.
    expect 0 "going on after epoch 200" $large --epochs 200 --checkpoint killed/run --save again
    ! grep -q '^epoch' output || fail "a run that is over trains"
    cmp -s whole again || fail "a run that is over saves other weights"
    expect_report

    # ---- a checkpoint of other settings is refused, saying which, and stays as it is ----
    expect 0 "epoch  3/3" $small --epochs 3 --checkpoint run
    cp run before
    expect 1 "run does not fit the run: seed is 1, should be 2" $small --epochs 3 --checkpoint run --seed 2
    expect 1 "run: lr is 0.001, should be 0.5" $small --epochs 3 --checkpoint run --lr 0.5
    expect 1 "run: batch is 16, should be 8" $small --epochs 3 --checkpoint run --batch 8
    expect 1 "run: model is mlp 8, should be mlp 9,10" $small --epochs 3 --checkpoint run --hidden 9,10
    expect 1 "run: model is mlp 8, should be cnn" $large --epochs 3 --checkpoint run
    expect 1 "run: schedule is constant, should be cosine over 3 epochs" \
        $small --epochs 3 --checkpoint run --schedule cosine
    expect 1 "run: load is not given, should be given" $small --epochs 3 --checkpoint run --load trained
    expect 1 "run: data is 40 digits of digest" \
        --hidden 8 --batch 16 --epochs 3 --checkpoint run
    expect 1 "should be 20 digits of digest" $small --samples 20 --epochs 3 --checkpoint run
    mkdir other
    cp small/* other
    tail -c +10 small/train-labels-idx1-ubyte >labels # all but the first, which was 0
    { head -c 8 small/train-labels-idx1-ubyte && printf '\002' && cat labels; } >other/train-labels-idx1-ubyte
    expect 1 "run: data is 40 digits of digest" --data other --hidden 8 --batch 16 --epochs 3 --checkpoint run
    expect 1 "run is of epoch 3, and --epochs is 2" $small --epochs 2 --checkpoint run
    cmp -s run before || fail "a checkpoint that was refused has changed"
    expect 0 "saved three" $small --epochs 5 --save three
    expect 0 "going on after epoch 3" $small --epochs 5 --threads 2 --checkpoint run --save two
    cmp -s three two || fail "more epochs than at first are others"
    expect 0 "epoch  3/3" $large --epochs 3 --checkpoint run-of-cnn
    expect 1 "run: schedule is cosine over 3 epochs, should be cosine over 4" $large --epochs 4 --checkpoint run-of-cnn

    # ---- nor is another file taken for a checkpoint, or a checkpoint for weights ----
    for size in 0 7 100 2000; do
        head -c "$size" before >torn
        expect 1 "torn" $small --epochs 3 --checkpoint torn
        [ "$(wc -c <torn)" -eq "$size" ] || fail "a checkpoint that is none has changed"
    done
    expect 1 "trained does not fit the run: model is missing" $small --checkpoint trained
    expect 1 "before does not fit the network" $small --load before

    # ---- a run of --load goes on without that file ----
    expect 0 "saved whole" $small --epochs 4 --load trained --save whole
    cp trained first
    expect 0 "epoch  2/2" $small --epochs 2 --load first --checkpoint loaded
    rm first
    expect 0 "saved again" $small --epochs 4 --load first --checkpoint loaded --save again
    cmp -s whole again || fail "a run of --load goes on otherwise"

    # ---- Ctrl-C keeps the last whole checkpoint, whatever is saved ----
    start_and_wait_for_an_epoch $small --checkpoint kept --save stopped
    end_by INT
    [ "$status" -eq 130 ] || fail "exit status $status after an interrupt, with a checkpoint"
    more=$(($(grep -c '^epoch' output) + 20))
    expect 0 "going on after epoch" $small --epochs "$more" --checkpoint kept --save again
    expect 0 "saved whole" $small --epochs "$more" --save whole
    cmp -s whole again || fail "after an interrupt and $more epochs the weights are others"

    # ---- a checkpoint that cannot be written is complained of, and training goes on ----
    mkdir lost
    start_and_wait_for_an_epoch $small --checkpoint lost/run --save stopped
    until rm -rf lost 2>/dev/null; do :; done # while it writes there
    before=$(grep -c 'lost/run' errors) || :
    more_complaints() { [ "$(grep -c 'lost/run' errors)" -gt "$before" ]; }
    await more_complaints
    end_by INT
    more_complaints || fail "a checkpoint that cannot be written goes unsaid"
    [ "$status" -eq 1 ] || fail "exit status $status, and the last checkpoint was not written"
    grep -q '^saved stopped' output || fail "nothing saved, because a checkpoint was not written"
    expect_report
}

# ---- the drawn digits: learnt within two epochs, on a small network ----
expect 0 "test accuracy" --epochs 2 --hidden 32 --quiet
grep -q '^test accuracy 0\.[89]' output || fail "the drawn digits are not learnt"
grep -qE '/2000\)$' output || fail "not tested on 2,000 digits"
expect 0 "test accuracy" --model cnn --samples 1000 --epochs 3 --quiet
grep -q '^test accuracy 0\.[56789]' output || fail "the drawn digits are not learnt by a cnn"

finish
