#!/bin/sh
# nn is made only of what the engine makes public, and contains no derivative: no file below nn/ includes a header of autograd/
# that is not installed, names an internal function of it, or writes a rule of a row (op.h).
#
#     test_nn_public.sh SOURCE HEADER...      the headers that are installed
#
# The search is tried first, on lines that it must find and on lines that it must not.
set -eu
source=$1
shift
[ $# -ge 20 ] || { echo "only $# headers" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

word='(^|[^[:alnum:]_])'
include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
ways="$folder/ways"
cat >"$ways" <<END
$include".*autograd/
$include[^"<[:space:]]
$word(agx_|AGX_)
[.](vjp|jvp)[[:space:]]*=[^=]
->(vjp|jvp)$word
$word(ag_reverse|ag_forward|ag_wants|ag_give|ag_give_tangent|ag_dy|AG_GRAD_RULE)([^[:alnum:]_]|\$)
END

# What may stand between the brackets of an #include, a line each.
public="$folder/public"
for header; do printf '<autograd/%s>\n' "${header##*autograd/}"; done >"$public"

# Lines of the files below a folder that break the rule, each with its place. Only build files are no code.
private() {
    find "$1" -type f ! -name meson.build -exec grep -nHEf "$ways" {} + || true
    find "$1" -type f ! -name meson.build -exec grep -nHE "$include<.*autograd/" {} + | grep -vFf "$public" || true
}

mkdir "$folder/found" "$folder/passed"
count=0
while IFS= read -r line; do
    count=$((count + 1))
    printf '%s\n' "$line" >"$folder/found/$count.def"
    private "$folder/found" >"$folder/lines"
    [ "$(wc -l <"$folder/lines")" -eq "$count" ] || { echo "the search does not see: $line" >&2; exit 1; }
done <<'END'
#include "../autograd/tape_impl.h"
#include "autograd/autograd.h"
  #  include <autograd/op_impl.h>
#include <autograd/ops/conv_impl.h>
#include <autograd/kernels/map.h>
#include <autograd/pool.h>
#include HEADER
# include <autograd/io/order.h>
#include <gradus/autograd/ops/composite.h>
    return agx_run_rule(r);
    .vjp = square_vjp,
    .jvp=square_jvp,
static ag_status square_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, dx);
static const uint8_t rule[] = {AG_GRAD_RULE};
END
cat >"$folder/passed/0.c" <<'END'
#include <autograd/autograd.h>
#include <autograd/base.h>
#include <autograd/ops/loss.h>
#include "module_impl.h"
/* the gradient of y = f(x) comes out of the graph, forward and backward */
    .grad = missing,
static const uint8_t missing[] = {AG_GRAD_MISSING};
static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
END
if [ -n "$(private "$folder/passed")" ]; then
    private "$folder/passed" >&2
    echo "the search finds what is allowed" >&2
    exit 1
fi

files=$(find "$source/nn" -type f ! -name meson.build | wc -l)
[ "$files" -ge 20 ] || { echo "only $files files below $source/nn" >&2; exit 1; }
if [ -n "$(private "$source/nn")" ]; then
    private "$source/nn" >&2
    echo "nn is made only of public operations, and has no derivative of its own" >&2
    exit 1
fi
