/* map: an inner loop over arrays of any strides and dtypes.
 *
 * Dense operands and single elements, nearly all there is in practice, go to the loop at once. Everything else is a
 * walk over rows (walk.h): rows that the loop can read where they lie are handed to it one by one; others, and operands
 * of another dtype, are first gathered, a block of at most BLOCK elements at a time, into buffers on the stack. A
 * transposed operand is copied to scratch where there is some. So nothing here fails for want of memory.
 *
 * Threads split the elements into runs. The elements do not depend on each other, so neither do their bits on the
 * runs. */
#include "walk.h"

#include <assert.h>
#include <string.h>

enum {
    OPERANDS = 4,     /* dz, x, y, z                                                                       */
    BLOCK = 512,      /* elements gathered at a time: OPERANDS * 4 KiB on the stack                        */
    PIECE = 8192,     /* elements handed to a loop at a time where rows are read in place: what threads share */
    LONG_ROW = 16,    /* rows from which a call of the loop costs less than gathering the row              */
    LONG_PERIOD = 64, /* the same where gathered rows serve many blocks                                    */
    PARALLEL = 32768, /* elements from which waking threads is worth it                                    */
};
static_assert((int)OPERANDS < (int)AGX_WALK_ARRAYS, "a walk holds the operands and z");

/* How a block of an operand is found. */
enum place {
    IN_PLACE, /* it lies in the operand as in z: dense                              */
    REPEATED, /* one element                                                        */
    GATHERED, /* it is copied into a buffer                                         */
    PERIODIC  /* the same, and every block holds the same: gathered once in a run   */
};

typedef struct operand {
    const char *data;
    size_t size; /* bytes of an element */
    enum place place;
    int inc;
    size_t loop_size;   /* bytes of an element as the loop wants it     */
    agx_row_copy *copy; /* from the operand's dtype to the loop's       */
    double element;     /* REPEATED: the element, as the loop wants it  */
} operand;

typedef struct task {
    agx_loop *loop;
    double c;
    char *z;
    size_t z_size;
    uint32_t n_in;
    bool direct;                 /* rows are read where they lie */
    int64_t columns, rows;       /* of a unit: part of a row, or some whole rows */
    int64_t units, units_in_row; /* units_in_row > 1 only where a unit is part of a row */
    operand in[OPERANDS];
    agx_walk walk;
} task;

/* ---- one run: units [first, last) --------------------------------------------------------------------------------- */

typedef struct unit {
    int64_t row, rows, column, columns; /* some whole rows, or part of one row */
} unit;

static unit unit_at(const task *t, int64_t i) {
    unit u = {.row = i * t->rows, .rows = t->rows, .column = 0, .columns = t->columns};
    if (t->units_in_row > 1) {
        u.row = i / t->units_in_row;
        u.column = i % t->units_in_row * t->columns;
    }
    if (u.columns > t->walk.n - u.column) u.columns = t->walk.n - u.column;
    if (u.rows > t->walk.rows - u.row) u.rows = t->walk.rows - u.row;
    return u;
}

/* Rows read where they lie. */
static void run_direct(const task *t, int64_t first, int64_t last) {
    const void *in[OPERANDS];
    int inc[OPERANDS];
    agx_walk_row at;
    agx_walk_seek(&t->walk, &at, unit_at(t, first).row);
    for (uint32_t k = 0; k < t->n_in; k++) inc[k] = t->in[k].inc;
    for (int64_t i = first; i < last; i++) {
        const unit u = unit_at(t, i);
        for (int64_t row = u.row; row < u.row + u.rows; row++) {
            for (uint32_t k = 0; k < t->n_in; k++) {
                const operand *o = &t->in[k];
                in[k] = o->place == REPEATED ? (const void *)&o->element
                                             : o->data + (at.offset[k] + u.column * inc[k]) * (int64_t)o->size;
            }
            t->loop(u.columns, in, inc, t->z + (row * t->walk.n + u.column) * (int64_t)t->z_size, t->c);
            if (u.column + u.columns == t->walk.n) agx_walk_next(&t->walk, &at);
        }
    }
}

/* The unit's elements of operand k, dense in row-major order. */
static void gather(const task *t, uint32_t k, unit u, char *to) {
    const operand *o = &t->in[k];
    const agx_walk *w = &t->walk;
    const int64_t size = (int64_t)o->size, loop_size = (int64_t)o->loop_size, n = u.columns;
    const int64_t inner = w->stride[k][w->rank - 1], outer = w->rank > 1 ? w->stride[k][w->rank - 2] : 0;
    if (o->place == PERIODIC) { /* one row, doubled until there are enough */
        const size_t all = (size_t)(u.rows * n * loop_size);
        size_t have = (size_t)(n * loop_size);
        o->copy(n, o->data, inner, to, 1);
        for (size_t more; have < all; have += more) {
            more = have < all - have ? have : all - have;
            memcpy(to + have, to, more);
        }
        return;
    }
    for (int64_t m, row = u.row; row < u.row + u.rows; row += m, to += m * n * loop_size) {
        agx_walk_row at;
        agx_walk_seek(w, &at, row);
        m = w->rank > 1 ? w->dim[w->rank - 2] - at.index[w->rank - 2] : 1;
        if (m > u.row + u.rows - row) m = u.row + u.rows - row;
        const char *from =
            o->data + (at.offset[k] + u.column * inner) * size; /* an (m, n) matrix, by the longer side */
        if (n < m)
            for (int64_t i = 0; i < n; i++) o->copy(m, from + i * inner * size, outer, to + i * loop_size, n);
        else
            for (int64_t i = 0; i < m; i++) o->copy(n, from + i * outer * size, inner, to + i * n * loop_size, 1);
    }
}

static void run_blocks(const task *t, int64_t first, int64_t last) {
    _Alignas(64) char buffer[OPERANDS][BLOCK * sizeof(double)]; /* (operand, element of the block) */
    const void *in[OPERANDS];
    int inc[OPERANDS];
    for (int64_t i = first; i < last; i++) {
        const unit u = unit_at(t, i);
        const int64_t start = u.row * t->walk.n + u.column;
        for (uint32_t k = 0; k < t->n_in; k++) {
            const operand *o = &t->in[k];
            inc[k] = o->place != REPEATED;
            in[k] = o->place == REPEATED   ? (const void *)&o->element
                    : o->place == IN_PLACE ? o->data + start * (int64_t)o->size
                                           : buffer[k];
            if (o->place == GATHERED || (o->place == PERIODIC && i == first)) gather(t, k, u, buffer[k]);
        }
        t->loop(u.rows * u.columns, in, inc, t->z + start * (int64_t)t->z_size, t->c);
    }
}

static void run(const task *t, int64_t first, int64_t last) {
    if (t->direct)
        run_direct(t, first, last);
    else
        run_blocks(t, first, last);
}

static void run_threads(const task *t, int64_t count, int threads) {
#ifdef AGX_HAVE_OPENMP
    if (threads > 1 && count >= PARALLEL && t->units > 1) {
        if (threads > t->units) threads = (int)t->units;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int i = 0; i < threads; i++) run(t, t->units * i / threads, t->units * (i + 1) / threads);
        return;
    }
#endif
    (void)count, (void)threads;
    run(t, 0, t->units);
}

/* ---- planning ---------------------------------------------------------------------------------------------------------- */

/* How the loop finds operand k. */
static void place(task *t, uint32_t k, const ag_array *x, ag_dtype dtype) {
    operand *o = &t->in[k];
    const agx_walk *w = &t->walk;
    const int64_t *stride = w->stride[k], *z_stride = w->stride[t->n_in];
    bool repeats = true, outer_repeats = true, like_z = x->meta->dtype == dtype;
    for (int d = 0; d < w->rank; d++) {
        like_z = like_z && stride[d] == z_stride[d];
        repeats = repeats && (stride[d] == 0 || w->dim[d] == 1);
        outer_repeats = outer_repeats && (stride[d] == 0 || d == w->rank - 1);
    }
    o->data = x->data;
    o->size = ag_dtype_size(x->meta->dtype);
    o->loop_size = ag_dtype_size(dtype);
    o->copy = agx_copy_row(x->meta->dtype, dtype);
    o->place = repeats ? REPEATED : like_z ? IN_PLACE : outer_repeats && w->n <= BLOCK ? PERIODIC : GATHERED;
    o->inc = stride[w->rank - 1] != 0 && !repeats;
    if (repeats) o->copy(1, o->data, 0, &o->element, 0);
}

/* An operand that runs across z's rows (a transpose) would fetch a line of memory for every element. Copied whole, in
 * tiles, it does not; without scratch for that it is gathered after all. */
static void turn(task *t, uint32_t k, const ag_array *x, ag_dtype dtype, const ag_array *z, ag_workspace *work) {
    ag_meta meta = *z->meta;
    meta.dtype = dtype;
    const ag_array turned = {&meta, ag_scratch(work, ag_meta_bytes(&meta))};
    if (!turned.data) return;
    (void)agx_copy(x, &turned, work);
    t->in[k].data = turned.data;
    t->in[k].size = t->in[k].loop_size;
    t->in[k].place = IN_PLACE;
    for (int d = 0; d < t->walk.rank; d++) t->walk.stride[k][d] = t->walk.stride[t->n_in][d];
    t->in[k].inc = 1;
}

/* The general case: operands of any strides, and of dtypes other than the loop's. */
static void map_any(agx_loop *loop, const ag_array *in, const ag_dtype *dtype, uint32_t n_in, const ag_array *z,
                    double c, ag_workspace *work) {
    task t = {.loop = loop, .c = c, .z = z->data, .z_size = ag_dtype_size(z->meta->dtype), .n_in = n_in};
    const agx_walk *w = &t.walk;
    agx_arena_mark before;
    bool periodic = false;

    if (!agx_walk_init(&t.walk, in, n_in, z)) return;
    if (work) before = agx_arena_here(&work->arena);
    t.direct = true;
    for (uint32_t k = 0; k < n_in; k++) {
        const int64_t inner = w->stride[k][w->rank - 1];
        place(&t, k, &in[k], dtype[k]);
        if (t.in[k].place == GATHERED && inner != 0 && inner != 1 && w->rank > 1 && work)
            turn(&t, k, &in[k], dtype[k], z, work);
        if (t.in[k].place != REPEATED && t.in[k].place != IN_PLACE)
            t.direct = t.direct && in[k].meta->dtype == dtype[k] && (inner == 0 || inner == 1);
        periodic = periodic || t.in[k].place == PERIODIC;
    }
    if (w->rows > 1 && w->n < (periodic ? LONG_PERIOD : LONG_ROW)) t.direct = false;

    const int64_t room = t.direct ? PIECE : BLOCK;
    t.columns = w->n < room ? w->n : room;
    t.rows = w->n < room ? room / w->n : 1;
    t.units_in_row = (w->n + t.columns - 1) / t.columns;
    t.units = (w->rows + t.rows - 1) / t.rows * t.units_in_row;
    run_threads(&t, w->n * w->rows, work ? work->threads : 1);
    if (work) agx_arena_release(&work->arena, before);
}

/* 1: dense and of z's shape but for leading ones. 0: one element. -1: neither. z is dense. */
static inline int step_of(const ag_meta *x, const ag_meta *z, int64_t z_count) {
    int64_t count = 1;
    bool dense = true;
    if (x == z) return 1;
    for (int d = x->rank; d-- > 0;) {
        dense = dense && (x->dim[d] == 1 || x->stride[d] == count);
        count *= x->dim[d];
    }
    return count == 1 ? 0 : dense && count == z_count ? 1 : -1;
}

/* z = loop(in...), where the loop reads operand k as dtype[k]. */
static void map_as(agx_loop *loop, const ag_array *in, const ag_dtype *dtype, uint32_t n_in, const ag_array *z,
                   double c, ag_workspace *work) {
    const void *data[OPERANDS];
    double element[OPERANDS]; /* single elements of another dtype, converted */
    int inc[OPERANDS];
    int64_t count = 1;
    bool plain = true;

    assert(n_in <= OPERANDS);
    for (int d = 0; d < z->meta->rank; d++) count *= z->meta->dim[d];
    if (count == 0) return;
    for (uint32_t k = 0; k < n_in; k++) {
        const ag_dtype from = in[k].meta->dtype;
        data[k] = in[k].data;
        inc[k] = step_of(in[k].meta, z->meta, count);
        if (from != dtype[k] && inc[k] == 0) {
            agx_copy_row(from, dtype[k])(1, data[k], 0, &element[k], 0);
            data[k] = &element[k];
        } else {
            plain = plain && inc[k] >= 0 && from == dtype[k];
        }
    }
    if (AG_LIKELY(plain && (count < PARALLEL || !work || work->threads == 1)))
        loop(count, data, inc, z->data, c);
    else
        map_any(loop, in, dtype, n_in, z, c, work);
}

/* ---- what the layers above call ---------------------------------------------------------------------------------------- */

ag_status agx_map(agx_loop *loop, const ag_array *in, uint32_t n_in, const ag_array *z, double c,
                  ag_workspace *work) {
    ag_dtype dtype[OPERANDS];
    for (uint32_t k = 0; k < n_in; k++) dtype[k] = in[k].meta->dtype;
    map_as(loop, in, dtype, n_in, z, c, work);
    return AG_OK;
}

/* Every operand read as one dtype. */
static ag_status map_uniform(agx_loop *loop, const ag_array *in, uint32_t n_in, ag_dtype as, const ag_array *z,
                             double c, ag_workspace *work) {
    const ag_dtype dtype[OPERANDS] = {as, as, as, as};
    map_as(loop, in, dtype, n_in, z, c, work);
    return AG_OK;
}

ag_status agx_map_row(enum agx_row row, const ag_array *in, uint32_t n_in, const ag_array *z, double c,
                      ag_workspace *work) {
    const agx_vectors *table = agx_vector_table();
    const ag_dtype dtype = z->meta->dtype;
    agx_loop *loop = dtype == AG_F32   ? table->forward[row][0]
                     : dtype == AG_F64 ? table->forward[row][1]
                     : dtype == AG_I64 ? table->integers[row]
                                       : NULL;
    if (!loop) return ag_fail(NULL, AG_ERROR_DTYPE, "no elementwise kernel for %s", ag_dtype_name(dtype));
    return map_uniform(loop, in, n_in, dtype, z, c, work);
}

ag_status agx_compare(int which, const ag_array *in, const ag_array *z, ag_workspace *work) {
    const agx_vectors *table = agx_vector_table();
    const ag_meta *const metas[2] = {in[0].meta, in[1].meta};
    const ag_dtype dtype = ag_promote(metas, 2);
    if (dtype == AG_F32) return map_uniform(table->compare[which][0], in, 2, AG_F32, z, 0, work);
    if (dtype == AG_F64) return map_uniform(table->compare[which][1], in, 2, AG_F64, z, 0, work);
    return map_uniform(table->compare_integers[which], in, 2, AG_I64, z, 0, work);
}

ag_status agx_select(const ag_array *in, const ag_array *z, ag_workspace *work) {
    const agx_vectors *table = agx_vector_table();
    const ag_dtype as = z->meta->dtype, dtype[OPERANDS] = {AG_BOOL, as, as};
    const size_t size = ag_dtype_size(as);
    map_as(size == 1 ? table->select_bytes : table->select[size == 8], in, dtype, 3, z, 0, work);
    return AG_OK;
}
