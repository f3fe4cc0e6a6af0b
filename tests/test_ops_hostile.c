/* ops_hostile: every row of the registry under ag_call, with operands and attributes that nobody should pass. A call
 * either records a possible result, whose gradient can be taken, or fails the tape with a message that begins with the
 * operation's name and, where shapes are at fault, shows the operands' shapes. Meant to run under the sanitizers, too.
 *
 * Attributes start from the row's first probe case, so that one hostile value meets sane company. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>

#include "ops_support.h"

enum {
    OPERANDS = AG_PROBE_INPUTS,
    FIELDS = 12,
    MOST_BYTES = 1 << 24 /* of one allocation: what asks for more is out of memory, here and on every machine */
};

/* ---- an allocator that refuses what is large ------------------------------------------------------------------------ */

static void *bounded(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user;
    void *block = NULL;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    if (new_size > MOST_BYTES) return NULL;
    if (posix_memalign(&block, alignment < sizeof(void *) ? sizeof(void *) : alignment, new_size) != 0)
        return NULL;
    if (old) memcpy(block, old, old_size < new_size ? old_size : new_size);
    free(old);
    return block;
}

/* ---- one call -------------------------------------------------------------------------------------------------------- */

typedef struct operand {
    ag_dtype dtype;
    int rank;
    int64_t dim[AG_MAX_RANK];
    double value;
} operand;

typedef struct attempt {
    const ag_op *op;
    ag_tape *t;
    uint32_t n;
    operand in[OPERANDS];
    ag_attrs attrs;
    ag_attr attr[FIELDS];
    char what[100]; /* which of the row's attempts, for messages */
} attempt;

static bool small(ag_value y) { return ag_meta_count(ag_meta_of(y)) < MOST_BYTES; }

static void expect_possible(const attempt *a, ag_value y) {
    const ag_meta *meta = ag_meta_of(y);
    ck_assert_msg(meta != NULL, "%s, %s: an output has no meta", a->op->name, a->what);
    ck_assert_msg((unsigned)meta->dtype < AG_DTYPE_COUNT && meta->rank >= 0 && meta->rank <= AG_MAX_RANK,
                  "%s, %s: dtype %d, rank %d", a->op->name, a->what, (int)meta->dtype, (int)meta->rank);
    for (int d = 0; d < meta->rank; d++)
        ck_assert_msg(meta->dim[d] >= 0, "%s, %s: a dimension of %ld", a->op->name, a->what, (long)meta->dim[d]);
    if (!small(y)) return; /* a view that repeats few numbers often */
    const int64_t n = ag_meta_count(meta);
    double *values = malloc((size_t)n * sizeof *values + 1);
    ck_assert_ptr_nonnull(values);
    ck_assert_msg(ag_read_f64(y, values, n) == AG_OK, "%s, %s: %s", a->op->name, a->what, ag_tape_message(a->t));
    free(values);
}

/* The gradient of all floating outputs by all floating operands. */
static void expect_gradient(const attempt *a, const ag_value *in, const ag_value *out) {
    ag_value y[4], dy[4], x[OPERANDS], dx[OPERANDS];
    int ny = 0, nx = 0;
    for (uint32_t k = 0; k < a->op->outputs; k++) {
        const ag_meta *meta = ag_meta_of(out[k]);
        if (!ag_dtype_is_float(meta->dtype) || !small(out[k])) continue;
        y[ny] = out[k];
        dy[ny++] = ag_full(a->t, meta->dtype, meta->rank, meta->dim, 1);
    }
    for (uint32_t i = 0; i < a->n; i++)
        if (ag_dtype_is_float(a->in[i].dtype) && ag_op_grad(a->op, i) == AG_GRAD_RULE) x[nx++] = in[i];
    if (ny == 0 || nx == 0) return;
    const ag_status status = ag_grad(y, dy, ny, x, nx, dx);
    const bool singular = status == AG_ERROR_VALUE && strstr(ag_tape_message(a->t), "singular");
    ck_assert_msg(status == AG_OK || status == AG_ERROR_MEMORY || singular, "%s, %s, gradient: %s", a->op->name,
                  a->what, ag_tape_message(a->t));
    for (int i = 0; status == AG_OK && i < nx; i++)
        ck_assert_msg(ag_meta_same_shape(ag_meta_of(dx[i]), ag_meta_of(x[i])), "%s, %s: gradient %d", a->op->name,
                      a->what, i);
}

static void expect_message(const attempt *a, ag_status status) {
    const char *message = ag_tape_message(a->t), *name = a->op->name;
    const bool usual = status == AG_ERROR_SHAPE || status == AG_ERROR_AXIS || status == AG_ERROR_INDEX ||
                       status == AG_ERROR_DTYPE || status == AG_ERROR_VALUE || status == AG_ERROR_MEMORY ||
                       status == AG_ERROR_NAME;
    ck_assert_msg(usual, "%s, %s: %s: %s", name, a->what, ag_status_name(status), message);
    ck_assert_msg(strncmp(message, name, strlen(name)) == 0 && strncmp(message + strlen(name), ": ", 2) == 0,
                  "%s, %s: the message does not begin with the name: %s", name, a->what, message);
    uint32_t shown = 0; /* what does not fit: an operand alone, or two of them */
    for (uint32_t i = 0; i < a->n; i++) {
        char text[AG_META_TEXT];
        ag_meta meta = {.dtype = a->in[i].dtype, .rank = a->in[i].rank};
        memcpy(meta.dim, a->in[i].dim, sizeof meta.dim);
        shown += strstr(message, ag_meta_text(&meta, text, sizeof text)) != NULL;
    }
    ck_assert_msg(status != AG_ERROR_SHAPE || shown >= 2 || shown == a->n, "%s, %s: shows %u of %u shapes: %s",
                  name, a->what, (unsigned)shown, (unsigned)a->n, message);
}

static void try_call(const attempt *a) {
    const ag_mark mark = ag_tape_mark(a->t);
    ag_value in[OPERANDS], out[4];
    for (uint32_t i = 0; i < a->n; i++) {
        const operand *x = &a->in[i];
        ag_value leaf = ag_full(a->t, x->dtype, x->rank, x->dim, x->value);
        if (ag_dtype_is_float(x->dtype)) { /* a leaf, so that there is something to differentiate by */
            double values[512];
            int64_t count = 1;
            for (int d = 0; d < x->rank; d++) count *= x->dim[d];
            ck_assert_int_le(count, 512);
            for (int k = 0; k < count; k++) values[k] = x->value + 0.01 * k;
            leaf = ag_array_leaf(a->t, x->dtype, x->rank, x->dim, values);
        }
        ck_assert_msg(ag_ok(leaf), "%s", ag_tape_message(a->t));
        in[i] = leaf;
    }
    const ag_status status = ag_call(a->t, a->op->name, in, a->n, a->attrs.n ? &a->attrs : NULL, out);
    ck_assert_int_eq(status, ag_tape_status(a->t));
    if (status == AG_OK) {
        for (uint32_t k = 0; k < a->op->outputs; k++) expect_possible(a, out[k]);
        expect_gradient(a, in, out);
    } else {
        ck_assert(!ag_ok(out[0]));
        expect_message(a, status);
    }
    (void)ag_tape_rewind(a->t, mark);
    ck_assert_int_eq(ag_tape_status(a->t), AG_OK);
}

/* ---- what a row is called with ------------------------------------------------------------------------------------------ */

static uint32_t bases(const ag_op *op) { return op->probe && op->probe->n_cases ? op->probe->n_cases : 1; }

/* A probe case, or arrays of one shape. Integers are 0: a valid index. */
static attempt sane(ag_tape *t, const ag_op *op, uint32_t number) {
    attempt a = {.op = op, .t = t, .n = op->min_in};
    const ag_probe_case *c = op->probe && op->probe->n_cases ? &op->probe->cases[number] : NULL;
    if (c) a.n = c->n_in;
    ck_assert_uint_le(a.n, OPERANDS);
    for (uint32_t i = 0; i < a.n; i++) {
        a.in[i] = (operand){.dtype = AG_F64, .rank = 2, .dim = {2, 3}, .value = 0.5};
        if (!c) continue;
        a.in[i] = (operand){.dtype = c->in[i].dtype, .rank = c->in[i].rank};
        memcpy(a.in[i].dim, c->in[i].dim, sizeof c->in[i].dim);
        if (ag_dtype_is_float(a.in[i].dtype)) a.in[i].value = 0.5;
    }
    ck_assert_uint_le(op->n_fields, FIELDS);
    for (uint32_t f = 0; c && c->attrs && f < op->n_fields; f++) {
        const ag_field *field = &op->fields[f];
        if (field->kind == AG_FIELD_RANDOM) continue;
        ag_attr *attr = &a.attr[a.attrs.n++];
        const char *from = (const char *)c->attrs + field->offset;
        *attr = (ag_attr){.name = field->name, .kind = field->kind};
        switch (field->kind) {
        case AG_FIELD_INT: memcpy(&attr->as.integer, from, sizeof attr->as.integer); break;
        case AG_FIELD_REAL: memcpy(&attr->as.real, from, sizeof attr->as.real); break;
        case AG_FIELD_BOOL: memcpy(&attr->as.boolean, from, sizeof attr->as.boolean); break;
        case AG_FIELD_INTS: memcpy(&attr->as.ints, from, sizeof attr->as.ints); break;
        case AG_FIELD_DTYPE: memcpy(&attr->as.dtype, from, sizeof attr->as.dtype); break;
        case AG_FIELD_RANDOM: break;
        }
    }
    return a;
}

static void try_attempt(attempt *a) {
    a->attrs.v = a->attr;
    try_call(a);
}

/* ---- hostile operands ---------------------------------------------------------------------------------------------------- */

static const struct {
    int rank;
    int64_t dim[AG_MAX_RANK];
} shapes[] = {
    {0, {0}},
    {1, {0}},
    {1, {1}},
    {1, {5}},
    {2, {2, 3}},
    {2, {3, 2}},
    {2, {3, 3}},
    {2, {0, 3}},
    {2, {1, 0}},
    {3, {2, 3, 4}},
    {3, {2, 0, 3}},
    {4, {1, 2, 3, 4}},
    {4, {1, 1, 1, 1}},
    {4, {0, 0, 0, 0}},
    {5, {1, 2, 1, 2, 1}},
    {8, {1, 1, 1, 1, 1, 1, 1, 1}},
    {8, {2, 1, 2, 1, 2, 0, 2, 1}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };
enum { DTYPES = 4, WHOLES = 5, REALS = 8 };
static const ag_dtype dtypes[DTYPES] = {AG_BOOL, AG_I64, AG_F32, AG_F64};
static const double whole[WHOLES] = {-1, 1, 7, -9.0e18, 9.0e18};
static const double real[REALS] = {-1, 0, 1, INFINITY, -INFINITY, NAN, 1e308, -1e-320};

static void set_shape(operand *x, int s) {
    x->rank = shapes[s].rank;
    memcpy(x->dim, shapes[s].dim, sizeof x->dim);
}

static void try_operands(const attempt *base) {
    for (uint32_t i = 0; i < base->n; i++) {
        for (int d = 0; d < DTYPES; d++) {
            attempt a = *base;
            a.in[i].dtype = dtypes[d];
            snprintf(a.what, sizeof a.what, "operand %u as %s", (unsigned)i, ag_dtype_name(dtypes[d]));
            try_attempt(&a);
        }
        for (int s = 0; s < SHAPES; s++) {
            attempt a = *base;
            set_shape(&a.in[i], s);
            snprintf(a.what, sizeof a.what, "operand %u of shape %d", (unsigned)i, s);
            try_attempt(&a);
        }
        const bool floats = ag_dtype_is_float(base->in[i].dtype);
        for (int k = 0; k < (floats ? REALS : WHOLES); k++) {
            attempt a = *base;
            a.in[i].value = floats ? real[k] : whole[k];
            snprintf(a.what, sizeof a.what, "operand %u full of %g", (unsigned)i, a.in[i].value);
            try_attempt(&a);
        }
    }
    for (int s = 0; s < SHAPES; s++) { /* all alike */
        for (int d = 0; d < DTYPES; d++) {
            attempt a = *base;
            for (uint32_t i = 0; i < a.n; i++) {
                set_shape(&a.in[i], s);
                a.in[i].dtype = dtypes[d];
            }
            snprintf(a.what, sizeof a.what, "all operands %s of shape %d", ag_dtype_name(dtypes[d]), s);
            try_attempt(&a);
        }
    }
}

START_TEST(any_operands_are_taken_or_refused_by_name) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    ag_set_allocator(&(const ag_allocator){.resize = bounded});
    ag_tape *t = ag_tape_new(NULL);
    for (uint32_t c = 0; c < bases(op); c++) {
        const attempt base = sane(t, op, c);
        try_operands(&base);
        for (uint32_t n = 0; n <= OPERANDS; n++) { /* too few and too many, without attributes */
            attempt a = {.op = op, .t = t, .n = n};
            for (uint32_t i = 0; i < n && i < base.n; i++) a.in[i] = base.in[i];
            snprintf(a.what, sizeof a.what, "%u operands", (unsigned)n);
            try_attempt(&a);
        }
    }
    ag_tape_free(t);
}
END_TEST

/* ---- hostile attributes --------------------------------------------------------------------------------------------------- */

static const int64_t integers[] = {INT64_MIN,
                                   INT64_MIN + 1,
                                   -((int64_t)1 << 32),
                                   -2,
                                   -1,
                                   0,
                                   1,
                                   2,
                                   8,
                                   (int64_t)1 << 21,
                                   (int64_t)1 << 31,
                                   (int64_t)1 << 32,
                                   (int64_t)1 << 60,
                                   INT64_MAX - 1,
                                   INT64_MAX};
enum { INTEGERS = sizeof integers / sizeof integers[0] };
static const double numbers[] = {NAN, INFINITY, -INFINITY, -1, -0.0, 0, 0.5, 1, 3, 1e-320, 1e18, 1e308, -1e308};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
static const int32_t lengths[] = {1, 2, 4, 8, 0, -1, 9, INT32_MAX, INT32_MIN};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

static int variants(ag_field_kind kind) {
    switch (kind) {
    case AG_FIELD_INT: return INTEGERS;
    case AG_FIELD_REAL: return NUMBERS;
    case AG_FIELD_BOOL: return 2;
    case AG_FIELD_INTS: return INTEGERS * LENGTHS;
    case AG_FIELD_DTYPE: return 7;
    case AG_FIELD_RANDOM: return 2;
    }
    return 0;
}

static void set_hostile(ag_attr *attr, int v) {
    switch (attr->kind) {
    case AG_FIELD_INT: attr->as.integer = integers[v]; break;
    case AG_FIELD_REAL: attr->as.real = numbers[v]; break;
    case AG_FIELD_BOOL: attr->as.boolean = v; break;
    case AG_FIELD_INTS:
        attr->as.ints = (ag_ints){.n = lengths[v % LENGTHS]};
        for (int k = 0; k < AG_MAX_RANK; k++) attr->as.ints.v[k] = integers[v / LENGTHS];
        break;
    case AG_FIELD_DTYPE: attr->as.dtype = v == 6 ? INT32_MAX : (ag_dtype)v; break;
    case AG_FIELD_RANDOM: attr->as.random = (ag_random){.seed = UINT64_MAX, .counter = v ? UINT64_MAX : 0}; break;
    }
}

/* The attribute in a's list, which gets it where it is absent. */
static ag_attr *attribute(attempt *a, const ag_field *field) {
    for (uint32_t k = 0; k < a->attrs.n; k++)
        if (strcmp(a->attr[k].name, field->name) == 0) return &a->attr[k];
    ag_attr *attr = &a->attr[a->attrs.n++];
    *attr = (ag_attr){.name = field->name, .kind = field->kind};
    return attr;
}

START_TEST(any_attributes_are_taken_or_refused_by_name) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    ag_set_allocator(&(const ag_allocator){.resize = bounded});
    ag_tape *t = ag_tape_new(NULL);
    for (uint32_t c = 0; c < bases(op); c++) {
        for (uint32_t f = 0; f < op->n_fields; f++) {
            for (int v = 0; v < variants(op->fields[f].kind); v++) {
                attempt a = sane(t, op, c);
                set_hostile(attribute(&a, &op->fields[f]), v);
                snprintf(a.what, sizeof a.what, "case %u, attribute %.40s, value %d", (unsigned)c,
                         op->fields[f].name, v);
                try_attempt(&a);
            }
        }
    }
    attempt a = sane(t, op, 0);
    attribute(&a, &(const ag_field){"no such attribute", AG_FIELD_INT, 0, 0});
    snprintf(a.what, sizeof a.what, "an unknown attribute");
    try_attempt(&a);
    for (uint32_t f = 0; f < op->n_fields; f++) {
        a = sane(t, op, 0);
        ag_attr *attr = attribute(&a, &op->fields[f]);
        attr->kind = attr->kind == AG_FIELD_INT ? AG_FIELD_REAL : AG_FIELD_INT;
        snprintf(a.what, sizeof a.what, "attribute %.40s of another kind", op->fields[f].name);
        try_attempt(&a);
    }
    ag_tape_free(t);
}
END_TEST

/* Several things wrong at once, drawn by lot. */
START_TEST(any_mixture_is_taken_or_refused_by_name) {
    enum { TRIES = 10 };
    const ag_op *op = ag_op_at((uint32_t)_i);
    ag_random r = {.seed = (uint64_t)_i};
    ag_set_allocator(&(const ag_allocator){.resize = bounded});
    ag_tape *t = ag_tape_new(NULL);
    for (int k = 0; k < TRIES; k++) {
        attempt a = sane(t, op, (uint32_t)ag_random_below(&r, bases(op)));
        for (uint32_t i = 0; i < a.n; i++) {
            if (ag_random_below(&r, 4) == 0) set_shape(&a.in[i], (int)ag_random_below(&r, SHAPES));
            if (ag_random_below(&r, 8) == 0) a.in[i].dtype = dtypes[ag_random_below(&r, DTYPES)];
        }
        for (uint32_t f = 0; f < op->n_fields; f++) {
            const int n = variants(op->fields[f].kind);
            if (ag_random_below(&r, 2))
                set_hostile(attribute(&a, &op->fields[f]), (int)ag_random_below(&r, (uint64_t)n));
        }
        snprintf(a.what, sizeof a.what, "mixture %d", k);
        try_attempt(&a);
    }
    ag_tape_free(t);
}
END_TEST

Suite *ops_hostile_suite(void) {
    Suite *s = suite_create("ops_hostile");
    TCase *c = tcase_create("ops_hostile");
    int rows = 0;
    while (ag_op_at((uint32_t)rows)) rows++;
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, any_operands_are_taken_or_refused_by_name, 0, rows);
    tcase_add_loop_test(c, any_attributes_are_taken_or_refused_by_name, 0, rows);
    tcase_add_loop_test(c, any_mixture_is_taken_or_refused_by_name, 0, rows);
    suite_add_tcase(s, c);
    return s;
}
