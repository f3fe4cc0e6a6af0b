#!/bin/sh
# How the program regression behaves: options, errors of tables, numbers in the target's own units, the same bits from the same
# seed, saving, loading, tables, pictures, Ctrl-C, and what becomes of a run that was killed.
#
#     test_regression.sh PROGRAM with|without
#
# "without": a build that has no cairo.
set -eu
reports='^RMSE'
# shellcheck source-path=SCRIPTDIR source=support/program.sh
. "$(dirname -- "$0")/support/program.sh"
cairo=$2

# holds EXPRESSION NAME=VALUE...: an awk expression that must be true
holds() {
    expression=$1
    shift
    for value in "$@"; do set -- "$@" -v "$value"; shift; done
    awk "$@" "BEGIN { exit !($expression) }" || fail "not true: $expression ($*)"
}

# ---- options ----
expect 2 "unknown option '--frobnicate'" --frobnicate
expect 2 "--epochs: 'x'" --epochs x
expect 2 "--lr: '0'" --lr 0
expect 2 "--save: ''" --save ''
expect 2 "needs a table" --target y
expect 2 "'surplus' is not an option" one.csv surplus
expect 0 "Usage: regression [OPTION]... [FILE.csv]" --help
grep -qF -e '--epochs N' output || fail "--help does not tell of --epochs"
expect 1 "--save: none/net" --save none/net
expect 1 "--predictions: none/p.csv" --predictions none/p.csv
expect 1 "must end in .png or .svg" --plot curves.jpeg
! [ -s output ] || fail "work began although its picture cannot be drawn"

# ---- tables ----
# price is 3000 a - 1000 b, and c does nothing; in an order that is no order of price
awk 'BEGIN { print "a,b,price,c"
             for (i = 0; i < 150; i++) { a = (i * 37) % 101 / 100; b = (i * 53) % 89 / 100
                                         print a "," b "," 3000 * a - 1000 * b ",7" } }' >good.csv
expect 1 "none.csv" none.csv
expect 1 "good.csv: no column is called 'prize'; there are: a, b, price, c" good.csv --target prize
expect 1 "the target 'c' is 7 in every row" good.csv
sed '5s/^[^,]*,/,/' good.csv >missing.csv
expect 1 "missing.csv: line 5, column 1: the value is missing" missing.csv --target price
sed '9s/7$/seven/' good.csv >text.csv
expect 1 'text.csv: line 9, column 4: "seven" is no number' text.csv --target c
sed '7s/,7$//' good.csv >short.csv
expect 1 "short.csv: line 7" short.csv --target price
head -n 2 good.csv >one.csv
expect 1 "one.csv: has 1 row;" one.csv --target price
head -n 10 good.csv >nine.csv
expect 1 "nine.csv: has 9 rows;" nine.csv --target price
head -n 11 good.csv >ten.csv
expect 0 "RMSE" ten.csv --target price --epochs 3
head -n 1 good.csv >none.csv
expect 1 "none.csv: has 0 rows;" none.csv --target price
: >empty.csv
expect 1 "the file is empty" empty.csv
cut -d, -f1 good.csv >single.csv
expect 1 "no column beside the target 'a'" single.csv
expect 0 "note: 'c' is 7 in every row that trains" good.csv --target price --epochs 2

# ---- a run on a table: errors in the units of the price, those of the mean beside them ----
expect 0 "150 rows, 3 columns to predict 'price' from" good.csv --target price --epochs 150 --lr 0.003 \
    --predictions found.csv --history run.csv
tail -n 1 output | grep -qE '^RMSE [0-9.e+-]+, by the mean [0-9.]+, R2 (0\.99[0-9]+|1\.0000)$' ||
    fail "the last line is: $(tail -n 1 output)"
[ "$(wc -l <found.csv)" -eq 31 ] || fail "not 30 rows are held out"
[ "$(head -n 1 found.csv)" = '"a","b","c","price",predicted' ] || fail "found.csv begins: $(head -n 1 found.csv)"
rmse=$(tail -n 1 output | sed 's/^RMSE \([^,]*\),.*/\1/')
again=$(awk -F, 'NR > 1 { s += ($4 - $5) ^ 2 } END { print sqrt(s / (NR - 1)) }' found.csv)
holds "(told - own) ^ 2 < (1e-4 * own) ^ 2" "told=$rmse" "own=$again"
plain=$(tail -n 1 output | sed 's/.*mean \([^,]*\),.*/\1/')
again=$(awk -F, 'NR > 1 { v[NR] = $4; s += $4 } END { print s / (NR - 1) }' found.csv)
spread=$(awk -F, -v m="$again" 'NR > 1 { s += ($4 - m) ^ 2 } END { print sqrt(s / (NR - 1)) }' found.csv)
holds "told >= 0.9999 * spread && told < 1.2 * spread" "told=$plain" "spread=$spread" # the mean is that of other rows
epochs=$(grep -c '^epoch' output)
[ "$(wc -l <run.csv)" -eq $((epochs + 1)) ] || fail "run.csv has not a line for each epoch"
head -n 1 run.csv | grep -qE '^epoch,.*,loss,R2,validation_loss,validation_R2$' || fail "run.csv: $(head -n 1 run.csv)"

# ---- the drawn table: close to the noise, which has standard deviation 1; the best weights are put back ----
expect 0 "stopped after epoch" --save one
rmse=$(tail -n 1 output | sed 's/^RMSE \([^,]*\),.*/\1/')
holds "rmse > 0.8 && rmse < 1.35" "rmse=$rmse"
last=$(tail -n 1 output)
expect 0 "$last" --epochs 0 --load one
expect 0 "$last" --quiet --save two
[ "$(wc -l <output)" -eq 1 ] || fail "--quiet prints more than the last line"
cmp -s one two || fail "the same seed gives other parameters"
expect 0 "RMSE" --quiet --epochs 3 --seed 2 --save three
! cmp -s one three || fail "another seed gives the same parameters"
expect 1 "body.0.weight" good.csv --target price --load one

# ---- pictures ----
if [ "$cairo" = with ]; then
    expect 0 "drew run.svg" --epochs 3 --plot run.svg --scatter scatter.png
    tail -n 1 run.svg | grep -qF '</svg>' || fail "half an SVG"
    [ "$(head -c 4 scatter.png | tail -c 3)" = PNG ] || fail "scatter.png is no PNG"
else
    expect 1 "built without cairo" --plot run.svg
fi

# ---- killed at any moment, the same command goes on, and ends with the bits of a run that never stopped ----

# Early stopping remembers weights of long ago; without it the last ones count.
killed_and_resumed --lr 0.003 --patience 60
killed_and_resumed --lr 0.003 --patience 200 --epochs 300
killed_and_resumed good.csv --target price --patience 0 --epochs 1500
cp killed/run before
for other in "lr 0.5" "batch 9" "seed 2" "patience 3"; do
    # shellcheck disable=SC2086 # two words are wanted
    expect 1 "${other% *} is" good.csv --target price --patience 0 --epochs 1500 --$other --checkpoint killed/run
done
expect 1 "data is 150 of digest" --patience 0 --epochs 1500 --checkpoint killed/run
expect 1 "data is 150 of digest" good.csv --target a --patience 0 --epochs 1500 --checkpoint killed/run
expect 1 "load is not given, should be given" good.csv --target price --patience 0 --load one --checkpoint killed/run
expect 1 "run is of epoch 1500, and --epochs is 1400" \
    good.csv --target price --patience 0 --epochs 1400 --checkpoint killed/run
cmp -s killed/run before || fail "a checkpoint that was refused has changed"
head -c 1000 before >torn
expect 1 "torn" good.csv --target price --patience 0 --checkpoint torn
expect 1 "one does not fit the run" --checkpoint one
expect 1 "--checkpoint: nowhere/run" --checkpoint nowhere/run
expect 2 "--checkpoint: 'net' is the file of --save, too" --save net --checkpoint net
expect 0 "saved kept" --epochs 40 --load one --save kept
expect 0 "RMSE" --epochs 20 --load one --checkpoint of-load
mv one first
expect 0 "saved again" --epochs 40 --load one --checkpoint of-load --save again
cmp -s kept again || fail "a run of --load goes on otherwise, or needs its file"
mv first one

# ---- Ctrl-C: reported, written, exit status 130 ----
start_and_wait_for_an_epoch --patience 0 --save stopped
end_by INT
[ "$status" -eq 130 ] || fail "exit status $status after an interrupt"
grep -q 'interrupted' errors || fail "an interrupt goes unsaid"
tail -n 1 output | grep -q '^RMSE' || fail "no report after an interrupt"
expect 0 "RMSE" --epochs 0 --load stopped

finish
