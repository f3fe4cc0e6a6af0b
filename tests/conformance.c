/* conformance: runs reference cases against the engine.
 *
 *     conformance DIR [--dtype f32|f64] [--family NAME]
 *
 * Every case of every family file in DIR: values, first gradients by the sweep that records and by the one that does
 * not, second gradients; where all operands are single numbers, once more as scalars of the strip. Form and tolerances:
 * tests/data/conformance/README.md. A failing case prints its name and its worst element; the last line is
 * "N passed, M failed". Exit status: 0 all passed, 1 some failed, 2 nothing could be run. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance_call.h"

static const char *const families[] = {"unary", "edge",   "binary", "compare",  "reduce",
                                       "shape", "linalg", "nnfunc", "recurrent"};

/* One run of one case. */
typedef struct run {
    const op_case *c;
    ag_tape *t;
    ag_dtype dtype;
    bool strip;       /* operands of one number as scalars of the strip */
    double magnitude; /* of the case's arrays */
    ag_value in[CASE_ARRAYS], out[CASE_ARRAYS];
    int n_out;
    char text[CASE_TEXT]; /* why it failed */
} run;

/* ---- comparison ---------------------------------------------------------------------------------------------------- */

/* How far x is from y, as a multiple of what is allowed: at most 1 agrees. */
static double distance(const run *r, double expected, double got, double relative) {
    if (isnan(expected) || isnan(got)) return isnan(expected) && isnan(got) ? 0 : INFINITY;
    if (isinf(expected) || isinf(got)) return expected == got ? 0 : INFINITY;
    double allowed = 5e-6 * fmax(1, r->magnitude);
    if (r->dtype == AG_F64) allowed = 1e-12 + relative * fmax(fabs(expected), fabs(got));
    return fabs(expected - got) / allowed;
}

static bool compare_numbers(run *r, const char *what, int k, const case_array *expected, const double *got,
                            double relative) {
    int64_t worst = -1;
    double most = 1;
    for (int64_t i = 0; i < expected->count; i++) {
        double d = expected->kind == AG_F64 ? distance(r, expected->data[i], got[i], relative)
                                            : (expected->data[i] == got[i] ? 0 : INFINITY);
        if (d > most) {
            most = d;
            worst = i;
        }
    }
    if (worst < 0) return true;
    snprintf(r->text, CASE_TEXT, "%s %d, element %lld: expected %.17g, got %.17g", what, k, (long long)worst,
             expected->data[worst], got[worst]);
    return false;
}

static bool out_of_memory(run *r) {
    snprintf(r->text, CASE_TEXT, "out of memory");
    return false;
}

static bool tape_is_well(run *r, const char *what) {
    if (ag_tape_status(r->t) == AG_OK) return true;
    snprintf(r->text, CASE_TEXT, "%s: %s", what, ag_tape_message(r->t));
    return false;
}

/* The adjoint of a leaf, or the value itself. */
static bool compare_value(run *r, const char *what, int k, const case_array *expected, ag_value v, bool adjoint,
                          double relative) {
    const ag_meta *meta = ag_meta_of(v);
    if (!meta) return tape_is_well(r, what);
    bool same = meta->rank == expected->rank;
    for (int d = 0; same && d < meta->rank; d++) same = meta->dim[d] == expected->dim[d];
    if (!same) {
        char got[AG_META_TEXT];
        snprintf(r->text, CASE_TEXT, "%s %d has another shape than expected: %s", what, k,
                 ag_meta_text(meta, got, sizeof got));
        return false;
    }
    const ag_dtype dtype = expected->kind == AG_F64 ? r->dtype : expected->kind;
    if (meta->dtype != dtype) {
        snprintf(r->text, CASE_TEXT, "%s %d is %s, not %s", what, k, ag_dtype_name(meta->dtype),
                 ag_dtype_name(dtype));
        return false;
    }
    double *got = malloc((size_t)expected->count * sizeof *got + 1);
    if (!got) return out_of_memory(r);
    ag_status status = adjoint ? ag_adjoint_f64(v, got, expected->count) : ag_read_f64(v, got, expected->count);
    bool good = status == AG_OK ? compare_numbers(r, what, k, expected, got, relative) : tape_is_well(r, what);
    if (status != AG_OK && good) snprintf(r->text, CASE_TEXT, "%s %d: %s", what, k, ag_status_text(status));
    free(got);
    return good && status == AG_OK;
}

/* ---- a case -------------------------------------------------------------------------------------------------------- */

static ag_value constant(run *r, const case_array *x) {
    return ag_array_constant(r->t, x->kind == AG_F64 ? r->dtype : x->kind, x->rank, x->dim, x->data);
}

/* Operands: leaves where a gradient is expected. */
static void make_inputs(run *r) {
    const op_case *c = r->c;
    for (int i = 0; i < c->inputs.n; i++) {
        const case_array *x = &c->inputs.v[i];
        const bool leaf = c->grads.present && c->grads.v[i].present;
        if (!x->present)
            r->in[i] = (ag_value){.tape = r->t};
        else if (r->strip && x->kind == AG_F64)
            r->in[i] = leaf ? ag_scalar(r->t, x->data[0]) : ag_scalar_constant(r->t, x->data[0]);
        else
            r->in[i] = leaf ? ag_array_leaf(r->t, r->dtype, x->rank, x->dim, x->data) : constant(r, x);
    }
}

static bool check_values(run *r) {
    const case_arrays *expected = &r->c->outputs;
    if (r->n_out < expected->n) {
        snprintf(r->text, CASE_TEXT, "it has %d outputs, not %d", r->n_out, expected->n);
        return false;
    }
    for (int k = 0; k < expected->n; k++) {
        if (!compare_value(r, "output", k, &expected->v[k], r->out[k], false, 1e-9)) return false;
    }
    return true;
}

/* Outputs that have a cotangent, and these as seeds. */
static int roots(run *r, ag_value *y, ag_value *seed) {
    int n = 0;
    for (int k = 0; k < r->c->cotangents.n; k++) {
        if (!r->c->cotangents.v[k].present) continue;
        y[n] = r->out[k];
        seed[n++] = constant(r, &r->c->cotangents.v[k]);
    }
    return n;
}

/* Operands that have a gradient, by number. */
static int wanted(const op_case *c, int *which) {
    int n = 0;
    for (int i = 0; i < c->grads.n; i++)
        if (c->grads.v[i].present) which[n++] = i;
    return n;
}

/* By the sweep that does not record. */
static bool check_backward(run *r) {
    ag_value y[CASE_ARRAYS], seed[CASE_ARRAYS];
    int which[CASE_ARRAYS], n = wanted(r->c, which), ny = roots(r, y, seed);
    for (int k = 0; k < ny; k++) {
        if (ag_backward_from(y[k], seed[k]) != AG_OK) return tape_is_well(r, "backward");
    }
    for (int j = 0; j < n; j++) {
        if (!compare_value(r, "gradient", which[j], &r->c->grads.v[which[j]], r->in[which[j]], true, 1e-9))
            return false;
    }
    return true;
}

/* By the sweep that records, and the gradient of that. */
static bool check_recorded(run *r) {
    const op_case *c = r->c;
    ag_value y[CASE_ARRAYS], seed[CASE_ARRAYS], x[CASE_ARRAYS], dx[CASE_ARRAYS];
    int which[CASE_ARRAYS], n = wanted(c, which), ny = roots(r, y, seed);
    for (int j = 0; j < n; j++) x[j] = r->in[which[j]];
    if (ag_grad(y, seed, ny, x, n, dx) != AG_OK) return tape_is_well(r, "recorded gradient");
    for (int j = 0; j < n; j++) {
        if (!compare_value(r, "recorded gradient", which[j], &c->grads.v[which[j]], dx[j], false, 1e-9))
            return false;
    }
    if (!c->second.present || r->dtype != AG_F64) return true;
    ag_value root[CASE_ARRAYS], direction[CASE_ARRAYS], second[CASE_ARRAYS];
    int m = 0;
    for (int j = 0; j < n; j++) {
        if (!c->directions.v[which[j]].present) continue;
        root[m] = dx[j];
        direction[m++] = constant(r, &c->directions.v[which[j]]);
    }
    if (ag_grad(root, direction, m, x, n, second) != AG_OK) return tape_is_well(r, "second gradient");
    for (int j = 0; j < n; j++) {
        const case_array *expected = &c->second.v[which[j]];
        if (expected->present && !compare_value(r, "second gradient", which[j], expected, second[j], false, 1e-8))
            return false;
    }
    return true;
}

static void drop_operand(op_case *c, int i) {
    case_arrays *const lists[] = {&c->inputs, &c->grads, &c->directions, &c->second};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        if (!lists[k]->present) continue;
        lists[k]->n--;
        memmove(&lists[k]->v[i], &lists[k]->v[i + 1], (size_t)(lists[k]->n - i) * sizeof lists[k]->v[0]);
    }
}

/* Operand i of a normalisation: weights that change nothing, as many as a later operand has. */
static bool fill_operand(op_case *c, int i) {
    const case_array *like = &c->inputs.v[i];
    while (!like->present) like++; /* the last one is there */
    case_array *x = &c->inputs.v[i];
    *x = *like;
    x->data = malloc((size_t)x->count * sizeof(double) + 1);
    x->present = x->data != NULL;
    for (int64_t k = 0; x->present && k < x->count; k++) x->data[k] = i == 1;
    return x->present;
}

/* Operations take no gaps among their operands. Absent ones at the end are not passed, nor are those of layers that
 * can do without a bias; weight and bias of a normalisation are replaced. */
static bool settle_absent(op_case *c, char text[CASE_TEXT]) {
    static const char *const without_bias[] = {"rnn_tanh", "rnn_relu", "gru", "lstm", "multihead_attention"};
    bool drops = false;
    for (size_t k = 0; k < sizeof without_bias / sizeof without_bias[0]; k++)
        drops = drops || strcmp(c->op, without_bias[k]) == 0;
    for (int i = c->inputs.n - 1; i >= 0; i--) {
        if (c->inputs.v[i].present) continue;
        const bool weight = strstr(c->op, "_norm") && (i == 1 || i == 2);
        if (drops || i == c->inputs.n - 1) {
            drop_operand(c, i);
        } else if (!weight || !fill_operand(c, i)) {
            snprintf(text, CASE_TEXT, "operand %d is absent, but later ones are there", i);
            return false;
        }
    }
    return true;
}

static bool run_once(run *r, bool (*check)(run *)) {
    r->t = ag_tape_new(NULL);
    if (!r->t) return out_of_memory(r);
    make_inputs(r);
    bool good = tape_is_well(r, "operands") && case_call(r->c, r->t, r->in, r->out, &r->n_out, r->text) &&
                check_values(r) && (!r->c->grads.present || check(r));
    ag_tape_free(r->t);
    return good;
}

static bool single_numbers(const op_case *c) {
    for (int i = 0; i < c->inputs.n; i++)
        if (c->inputs.v[i].kind != AG_F64 || c->inputs.v[i].rank != 0) return false;
    return c->inputs.n > 0;
}

static bool run_case(json_t *object, ag_dtype dtype) {
    op_case c;
    run r = {.c = &c, .dtype = dtype};
    bool good = case_read(object, &c, r.text) && settle_absent(&c, r.text);
    if (good) {
        r.magnitude = case_magnitude(&c);
        good = run_once(&r, check_backward) && run_once(&r, check_recorded);
        r.strip = dtype == AG_F64 && single_numbers(&c);
        if (good && r.strip) good = run_once(&r, check_backward) && run_once(&r, check_recorded);
    }
    if (!good) printf("%s: %s\n", c.name, r.text);
    case_clear(&c);
    return good;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

typedef struct tally {
    long passed, failed;
    int files;
} tally;

static void run_family(const char *dir, const char *family, bool required, ag_dtype dtype, tally *sum) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.json", dir, family) >= (int)sizeof path) path[0] = '\0';
    FILE *file = fopen(path, "rb");
    if (!file && errno == ENOENT && !required) return;
    json_error_t error = {.text = "cannot be opened"};
    json_t *cases = file ? json_loadf(file, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (file) fclose(file);
    sum->files++;
    if (json_is_array(cases)) {
        size_t i;
        json_t *object;
        json_array_foreach(cases, i, object) * (run_case(object, dtype) ? &sum->passed : &sum->failed) += 1;
    } else {
        printf("%s: %s\n", path, cases ? "is not an array" : error.text);
        sum->failed++;
    }
    json_decref(cases);
}

static int usage(const char *program) {
    fprintf(stderr, "usage: %s DIR [--dtype f32|f64] [--family NAME]\n", program);
    return 2;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"dtype", required_argument, NULL, 'd'}, {"family", required_argument, NULL, 'f'}, {0}};
    ag_dtype dtype = AG_F64;
    const char *only = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'd' && strcmp(optarg, "f32") == 0)
            dtype = AG_F32;
        else if (o == 'd' && strcmp(optarg, "f64") == 0)
            dtype = AG_F64;
        else if (o == 'f')
            only = optarg;
        else
            return usage(argv[0]);
    }
    if (optind != argc - 1) return usage(argv[0]);
    tally sum = {0};
    if (only && !(dtype == AG_F32 && strcmp(only, "edge") == 0)) run_family(argv[optind], only, true, dtype, &sum);
    for (size_t i = 0; !only && i < sizeof families / sizeof families[0]; i++) {
        if (dtype == AG_F32 && strcmp(families[i], "edge") == 0) continue; /* the form excludes it */
        run_family(argv[optind], families[i], false, dtype, &sum);
    }
    printf("%ld passed, %ld failed\n", sum.passed, sum.failed);
    return sum.files == 0 ? 2 : sum.failed > 0;
}
