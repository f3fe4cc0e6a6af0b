/* scan: running sums, running products and linear recurrences along one axis.
 *
 * The array is (outer, n, inner). A task takes up to LANES neighbouring lanes of the inner part and walks them in
 * tiles of STEPS positions: a tile stays in the cache while its lanes are read with a stride, and short buffers
 * turn f32 into the doubles that all floats are accumulated in.
 *
 * Invariants: a lane's bits depend on that lane alone; z may not be an operand. Left out: strides (operands are
 * dense) and blocks within a lane, so a single long one runs on a single thread. */
#include "rows.h"

enum { LANES = 64, STEPS = 64 };

typedef struct job {
    agx_scan_kind kind;
    ag_dtype dtype;
    bool reverse;
    size_t size;
    agx_row_copy *read, *write; /* between the dtype and doubles, or i64 */
    const char *a, *b;
    char *z;
    int64_t n, inner, blocks; /* blocks of lanes in an inner part */
} job;

/* Where a lane stands: what it came to, and (recurrences walked backwards) the weight of the next step. */
typedef struct state {
    double real, weight;
    uint64_t integer; /* unsigned, so that overflow wraps */
} state;

typedef union numbers {
    double real[STEPS];
    int64_t integer[STEPS];
} numbers;

static void scan_integers(const job *j, int64_t count, state *s, int64_t *x) {
    for (int64_t i = 0; i < count; i++) {
        s->integer = j->kind == AGX_SCAN_SUM ? s->integer + (uint64_t)x[i] : s->integer * (uint64_t)x[i];
        x[i] = (int64_t)s->integer;
    }
}

/* first: nothing came before, so that the first weight, be it infinite, counts for nothing. */
static void recur(bool reverse, bool first, int64_t count, state *s, const double *a, double *x) {
    for (int64_t i = 0; i < count; i++) {
        const double weight = reverse ? s->weight : a[i];
        if (!(first && i == 0)) x[i] += weight * s->real;
        s->real = x[i];
        s->weight = a[i];
    }
}

static void scan_reals(const job *j, bool first, int64_t count, state *s, const double *a, double *x) {
    switch (j->kind) {
    case AGX_SCAN_SUM:
        for (int64_t i = 0; i < count; i++) x[i] = s->real += x[i];
        return;
    case AGX_SCAN_PROD:
        for (int64_t i = 0; i < count; i++) x[i] = s->real *= x[i];
        return;
    case AGX_SCAN_RECURRENCE: recur(j->reverse, first, count, s, a, x);
    }
}

static void lanes_task(void *context, int64_t block, int thread) {
    const job *j = context;
    (void)thread;
    const int64_t lane0 = block % j->blocks * LANES;
    const int64_t lanes = j->inner - lane0 < LANES ? j->inner - lane0 : LANES;
    const int64_t base = block / j->blocks * j->n * j->inner + lane0, step = j->reverse ? -j->inner : j->inner;
    const double unit = j->kind == AGX_SCAN_PROD;
    state s[LANES];
    numbers x, a;
    for (int64_t l = 0; l < lanes; l++) s[l] = (state){.real = unit, .integer = (uint64_t)unit};
    for (int64_t k0 = 0; k0 < j->n; k0 += STEPS) {
        const int64_t count = j->n - k0 < STEPS ? j->n - k0 : STEPS;
        const int64_t start = base + (j->reverse ? j->n - 1 - k0 : k0) * j->inner;
        for (int64_t l = 0; l < lanes; l++) {
            const int64_t at = (start + l) * (int64_t)j->size;
            j->read(count, j->b + at, step, &x, 1);
            if (j->a) j->read(count, j->a + at, step, &a, 1);
            if (j->dtype == AG_I64)
                scan_integers(j, count, &s[l], x.integer);
            else
                scan_reals(j, k0 == 0, count, &s[l], a.real, x.real);
            j->write(count, &x, 1, j->z + at, step);
        }
    }
}

ag_status agx_scan(agx_scan_kind kind, const ag_array *a, const ag_array *b, int axis, bool reverse,
                   const ag_array *z, ag_workspace *work) {
    const ag_dtype dtype = z->meta->dtype, wide = dtype == AG_I64 ? AG_I64 : AG_F64;
    if (dtype == AG_BOOL || b->meta->dtype != dtype || (a && a->meta->dtype != dtype)) return AG_ERROR_DTYPE;
    if (a && dtype == AG_I64) return AG_ERROR_DTYPE;
    const int64_t count = ag_meta_count(z->meta);
    if (count == 0) return AG_OK;
    job j = {.kind = kind,
             .dtype = dtype,
             .reverse = reverse,
             .size = ag_dtype_size(dtype),
             .read = agx_copy_row(dtype, wide),
             .write = agx_copy_row(wide, dtype),
             .a = a ? a->data : NULL,
             .b = b->data,
             .z = z->data,
             .n = 1,
             .inner = 1};
    int64_t outer = 1;
    for (int k = 0; k < z->meta->rank; k++) *(k < axis ? &outer : k == axis ? &j.n : &j.inner) *= z->meta->dim[k];
    j.blocks = (j.inner + LANES - 1) / LANES;
    agx_tasks_run(outer * j.blocks, agx_threads_for(work, count), lanes_task, &j);
    return AG_OK;
}
