/* sort: a stable order along one axis, whole or its beginning.
 *
 * A lane is gathered into items of key and position, merged from runs of doubling length between two buffers, and
 * what is asked for is scattered. A merge takes from the right only what must come before the left, so that equal
 * keys keep their order in both directions.
 *
 * Left out: a selection that would do less than sort when few are asked for. */
#include "rows.h"

#include <math.h>

typedef struct item {
    union {
        double real; /* f32 is exact in it */
        int64_t integer;
    } key;
    int64_t at;
} item;

typedef struct job {
    ag_dtype dtype;
    bool descending;
    agx_row_copy *read, *write; /* between the dtype and keys */
    size_t size;
    const char *x;
    char *values;
    int64_t *index;
    int64_t n, k, inner;
    item *scratch; /* (threads, 2, n) */
} job;

enum { KEY_STEP = sizeof(item) / sizeof(double) };

/* Must y come before x, which stood earlier? */
static bool before(const job *j, const item *y, const item *x) {
    if (j->dtype == AG_I64)
        return j->descending ? y->key.integer > x->key.integer : y->key.integer < x->key.integer;
    const double p = y->key.real, q = x->key.real;
    if (j->descending) return p > q || (isnan(p) && !isnan(q));
    return p < q || (isnan(q) && !isnan(p));
}

/* Two neighbouring runs, from [left, middle) and [middle, right), into one. */
static void merge(const job *j, const item *from, item *to, int64_t left, int64_t middle, int64_t right) {
    int64_t x = left, y = middle;
    for (int64_t i = left; i < right; i++)
        to[i] = y < right && (x == middle || before(j, &from[y], &from[x])) ? from[y++] : from[x++];
}

/* Returns the buffer in which the order ended. */
static const item *sort_items(const job *j, item *from, item *to) {
    for (int64_t width = 1; width < j->n; width *= 2) {
        for (int64_t left = 0; left < j->n; left += 2 * width) {
            const int64_t middle = left + width < j->n ? left + width : j->n;
            merge(j, from, to, left, middle, middle + width < j->n ? middle + width : j->n);
        }
        item *other = from;
        from = to;
        to = other;
    }
    return from;
}

static void lane_task(void *context, int64_t lane, int thread) {
    const job *j = context;
    const int64_t outer = lane / j->inner, inner = lane % j->inner;
    item *items = j->scratch + thread * 2 * j->n;
    j->read(j->n, j->x + (outer * j->n * j->inner + inner) * (int64_t)j->size, j->inner, &items->key, KEY_STEP);
    for (int64_t i = 0; i < j->n; i++) items[i].at = i;
    const item *sorted = sort_items(j, items, items + j->n);
    const int64_t to = outer * j->k * j->inner + inner;
    j->write(j->k, &sorted->key, KEY_STEP, j->values + to * (int64_t)j->size, j->inner);
    for (int64_t i = 0; i < j->k; i++) j->index[to + i * j->inner] = sorted[i].at;
}

ag_status agx_sort(const ag_array *x, int axis, bool descending, const ag_array *values, const ag_array *index,
                   ag_workspace *work) {
    const ag_dtype dtype = x->meta->dtype, key = dtype == AG_I64 ? AG_I64 : AG_F64;
    if (dtype == AG_BOOL || values->meta->dtype != dtype || index->meta->dtype != AG_I64) return AG_ERROR_DTYPE;
    if (ag_meta_count(values->meta) == 0) return AG_OK;
    job j = {.dtype = dtype,
             .descending = descending,
             .read = agx_copy_row(dtype, key),
             .write = agx_copy_row(key, dtype),
             .size = ag_dtype_size(dtype),
             .x = x->data,
             .values = values->data,
             .index = index->data,
             .n = 1,
             .k = x->meta->rank > 0 ? values->meta->dim[axis] : 1,
             .inner = 1};
    int64_t outer = 1;
    for (int d = 0; d < x->meta->rank; d++) *(d < axis ? &outer : d == axis ? &j.n : &j.inner) *= x->meta->dim[d];
    const int threads = agx_threads_for(work, ag_meta_count(x->meta));
    const size_t room = 2 * (size_t)threads;
    size_t bytes = 0;
    agx_arena_mark mark = agx_arena_here(&work->arena);
    if (ag_size_mul((size_t)j.n, room * sizeof(item), &bytes)) j.scratch = agx_arena_take(&work->arena, bytes, 64);
    if (!j.scratch) return AG_ERROR_MEMORY;
    agx_tasks_run(outer * j.inner, threads, lane_task, &j);
    agx_arena_release(&work->arena, mark);
    return AG_OK;
}
