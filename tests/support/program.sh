# What the tests of a program share: to be read (`.`) by them, with PROGRAM as their first argument, after they have set
#
#     reports   a pattern of grep: what the program prints in the end of a run that went well, and of no other
#
# The test then stands in a folder of its own. Its last line is `finish`.
# shellcheck shell=sh disable=SC2154 # reports is of the test
program=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
name=$(basename -- "$program")
folder=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || :; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder" || exit
failures=0

fail() {
    echo "FAILED: $*" >&2
    tail -n 100 output errors | sed 's/^/    | /' >&2
    failures=$((failures + 1))
}
finish() {
    [ "$failures" -eq 0 ] || { echo "$failures failures" >&2; exit 1; }
    echo "$name behaves"
}

# expect STATUS TEXT [ARGUMENT...]: run the program; its exit status must be STATUS, and TEXT must stand in what it says
# on stderr (for a failure) or on stdout (for 0).
expect() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$program" "$@" >output 2>errors || status=$?
    [ "$status" -eq "$wanted" ] || fail "$name $*: exit status $status instead of $wanted"
    if [ "$wanted" -eq 0 ]; then where=output; else where=errors; fi
    grep -qF -e "$text" "$where" || fail "$name $*: does not say: $text"
    [ "$wanted" -eq 0 ] || ! grep -q -e "$reports" output || fail "$name $*: reports although it failed"
}

# The program in the background; until a command succeeds, or half a minute has passed; and its end.
start() { # [ARGUMENT...]
    : >output
    "$program" "$@" >output 2>errors &
    running=$!
}
await() { # COMMAND [ARGUMENT...]
    tries=0
    until "$@" || [ "$tries" -ge 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}
end_by() { # SIGNAL: sets $status
    kill "-$1" "$running" 2>/dev/null || : # it may be over
    status=0
    wait "$running" 2>/dev/null || status=$? # the shell may say "Killed"
    running=
}
start_and_wait_for_an_epoch() { # [ARGUMENT...]: of very many
    start --epochs 100000 "$@"
    await grep -q '^epoch' output
}

# A training or a test set as MNIST has them, of 40 square images that are FIRST, of class 0, and SECOND, of class 1, in
# turn. These are formats of printf; what is longer than an image is cut off.
write_pair() { # PREFIX SIDE FIRST SECOND
    octal() { # NUMBER: as four bytes, most significant first
        printf '\\%03o\\%03o\\%03o\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))
    }
    # shellcheck disable=SC2059 # the formats are escapes
    {
        printf "\\000\\000\\010\\003$(octal 40)$(octal "$2")$(octal "$2")" >"$1-images-idx3-ubyte"
        printf "\\000\\000\\010\\001$(octal 40)" >"$1-labels-idx1-ubyte"
    }
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        # shellcheck disable=SC2059
        {
            printf "$3" | head -c $(($2 * $2)) >>"$1-images-idx3-ubyte"
            printf "$4" | head -c $(($2 * $2)) >>"$1-images-idx3-ubyte"
        }
        printf '\000\001' >>"$1-labels-idx1-ubyte"
    done
}

# Of a program that trains with nn_fit and keeps its run: killed at any moment, the same command goes on, and ends with the
# weights, the history and the report of a run that was never stopped.
# killed_and_resumed [ARGUMENT...]: killed at a few moments, the first of which is surely after a checkpoint.
killed_and_resumed() {
    rm -rf killed
    mkdir killed
    kills=0
    expect 0 "saved whole" "$@" --save whole --history whole.csv
    [ ! -e killed/run ] || fail "a checkpoint that nobody asked for"
    report=$(tail -n 1 output)
    for wait in 0 0.02 0.1 0.3 0.1 0.2; do
        "$program" "$@" --checkpoint killed/run --save killed/net >output 2>errors &
        running=$!
        until [ -e killed/run ] || ! kill -0 "$running" 2>/dev/null; do sleep 0.01; done
        sleep "$wait"
        kill -KILL "$running" 2>/dev/null || :
        status=0
        wait "$running" 2>/dev/null || status=$? # the shell says "Killed"
        running=
        case $status in
        0) break ;; # it was faster
        137) kills=$((kills + 1)) ;;
        *) fail "exit status $status, from a checkpoint of a run that was killed" ;;
        esac
    done
    [ "$kills" -gt 0 ] || fail "no kills: nothing was tested"
    for _ in 1 2; do # the second time all is done
        expect 0 "going on after epoch" "$@" --checkpoint killed/run --save killed/net --history killed/run.csv
        [ "$(tail -n 1 output)" = "$report" ] || fail "after $kills kills it reports: $(tail -n 1 output)"
        cmp -s whole killed/net || fail "after $kills kills the weights are others"
        cmp -s whole.csv killed/run.csv || fail "after $kills kills the history is another"
    done
    ! grep -q '^epoch' output || fail "a run that is over trains"
}
