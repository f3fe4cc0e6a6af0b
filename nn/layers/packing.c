/* packing: see packing_impl.h. What is computed here are positions alone; values move by index operations, whose
 * derivatives the engine knows. */
#include "packing_impl.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct sequence {
    int64_t length, index;
} sequence;

/* Longest first; equal ones stay in order. */
static int longer(const void *a, const void *b) {
    const sequence *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static ag_value indices(ag_tape *t, int64_t n, const double *values) {
    return ag_array_constant(t, AG_I64, 1, &n, values);
}

/* Cuts sorted sequences into segments; returns how many rows there are. */
static int64_t cut(nnx_packing *p, const sequence *s) {
    int64_t row = 0, done = 0;
    for (int64_t left = p->batch; left > 0;) {
        const nnx_segment next = {row, s[left - 1].length - done, left};
        p->segment[p->segments++] = next;
        row += next.steps * next.batch;
        done += next.steps;
        while (left > 0 && s[left - 1].length == done) left--;
    }
    return row;
}

/* Constants of positions, computed in `values` (rows) with the first row of every step in `first` (longest). */
static void find_positions(nnx_packing *p, ag_tape *t, const sequence *s, int64_t rows, double *values,
                           int64_t *first) {
    int64_t n = 0;
    for (int k = 0; k < p->segments; k++)
        for (int64_t i = 0; i < p->segment[k].steps; i++) first[n++] = p->segment[k].row + i * p->segment[k].batch;
    for (int64_t step = 0; step < n; step++) {
        const int64_t end = step + 1 < n ? first[step + 1] : rows;
        for (int64_t row = first[step]; row < end; row++)
            values[row] = (double)(step * p->batch + s[row - first[step]].index);
    }
    p->position = indices(t, rows, values);
    for (int64_t step = 0; step < n; step++) {
        const int64_t end = step + 1 < n ? first[step + 1] : rows;
        for (int64_t row = first[step]; row < end; row++) {
            const int64_t i = row - first[step];
            values[row] = (double)(first[s[i].length - 1 - step] + i);
        }
    }
    p->backwards = indices(t, rows, values);
    for (int64_t i = 0; i < p->batch; i++) values[i] = (double)s[i].index; /* rows >= batch: no length is 0 */
    p->order = indices(t, p->batch, values);
    for (int64_t i = 0; i < p->batch; i++) values[s[i].index] = (double)i;
    p->rank = indices(t, p->batch, values);
}

/* Room for n segments. */
static bool make_room(nnx_packing *p, size_t n) {
    size_t bytes;
    if (!ag_size_mul(n, sizeof *p->segment, &bytes) || !(p->segment = ag_alloc(bytes))) return false;
    p->segment_bytes = bytes;
    if (!ag_size_mul(n, 3 * sizeof *p->scratch, &bytes) || !(p->scratch = ag_alloc(bytes))) return false;
    p->scratch_bytes = bytes;
    return true;
}

static bool check_lengths(const nnx_packing *p, ag_tape *t, const char *who, const int64_t *lengths) {
    for (int64_t b = 0; b < p->batch; b++) {
        if (lengths[b] >= 1 && lengths[b] <= p->steps) continue;
        (void)ag_tape_fail(t, AG_ERROR_VALUE, "%s: sequence %" PRId64 " has length %" PRId64 ", not 1 to %" PRId64,
                           who, b, lengths[b], p->steps);
        return false;
    }
    return true;
}

static bool pack_lengths(nnx_packing *p, ag_tape *t, const char *who, const int64_t *lengths) {
    int64_t rows = 0;
    size_t sequence_bytes, value_bytes = 0, first_bytes = 0;
    sequence *s = ag_size_mul((size_t)p->batch, sizeof *s, &sequence_bytes) ? ag_alloc(sequence_bytes) : NULL;
    double *values = NULL;
    int64_t *first = NULL;
    bool made = s && make_room(p, (size_t)(p->batch < p->steps ? p->batch : p->steps));
    if (made) {
        for (int64_t b = 0; b < p->batch; b++) s[b] = (sequence){lengths[b], b};
        qsort(s, (size_t)p->batch, sizeof *s, longer);
        rows = cut(p, s); /* no more than the elements of x */
        made = ag_size_mul((size_t)rows, sizeof *values, &value_bytes) && (values = ag_alloc(value_bytes)) &&
               ag_size_mul((size_t)p->steps, sizeof *first, &first_bytes) && (first = ag_alloc(first_bytes));
    }
    if (made)
        find_positions(p, t, s, rows, values, first);
    else
        (void)ag_tape_fail(t, AG_ERROR_MEMORY, "%s: no memory to pack %" PRId64 " sequences", who, p->batch);
    ag_release(first, first_bytes);
    ag_release(values, value_bytes);
    ag_release(s, sequence_bytes);
    return made;
}

bool nnx_packing_init(nnx_packing *p, const char *who, ag_value x, const int64_t *lengths) {
    const ag_meta *meta = ag_meta_of(x);
    *p = (nnx_packing){.segments = 0};
    if (lengths && meta->rank != 3) {
        (void)ag_tape_fail(x.tape, AG_ERROR_SHAPE, "%s: lengths need a batch of sequences, rank 3; got rank %d",
                           who, meta->rank);
        return false;
    }
    p->plain = !lengths || meta->dim[1] == 0;
    if (p->plain) {
        p->segments = 1;
        if (make_room(p, 1)) return true;
        (void)ag_tape_fail(x.tape, AG_ERROR_MEMORY, "%s: no memory", who);
        return false;
    }
    p->steps = meta->dim[0];
    p->batch = meta->dim[1];
    return check_lengths(p, x.tape, who, lengths) && pack_lengths(p, x.tape, who, lengths);
}

void nnx_packing_clear(nnx_packing *p) {
    ag_release(p->scratch, p->scratch_bytes);
    ag_release(p->segment, p->segment_bytes);
}

ag_value nnx_pack(const nnx_packing *p, ag_value x) {
    return p->plain ? x : ag_index_select(ag_flatten(x, 0, 1), 0, p->position);
}

ag_value nnx_unpack(const nnx_packing *p, ag_value x) {
    if (p->plain) return x;
    const ag_value y = ag_index_scatter(x, 0, p->position, p->steps * p->batch);
    const ag_meta *meta = ag_meta_of(y);
    return meta ? ag_reshape(y, 3, (const int64_t[]){p->steps, p->batch, meta->dim[1]}) : y;
}

ag_value nnx_pack_backwards(const nnx_packing *p, ag_value x) {
    return p->plain ? ag_flip(x, (const int[]){0}, 1) : ag_index_select(x, 0, p->backwards);
}

ag_value nnx_pack_segment(const nnx_packing *p, ag_value x, int k) {
    const ag_meta *meta = ag_meta_of(x);
    if (p->plain || !meta) return x;
    const nnx_segment s = p->segment[k];
    const ag_value rows = ag_slice(x, 0, s.row, s.row + s.steps * s.batch, 1);
    return ag_reshape(rows, 3, (const int64_t[]){s.steps, s.batch, meta->dim[1]});
}

ag_value nnx_pack_state(const nnx_packing *p, ag_value state) {
    return p->plain ? state : ag_index_select(state, 0, p->order);
}

ag_value nnx_unpack_state(const nnx_packing *p, ag_value state) {
    return p->plain ? state : ag_index_select(state, 0, p->rank);
}
