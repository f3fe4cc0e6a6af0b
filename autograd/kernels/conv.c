/* conv: convolutions as matrix products over patches. See conv.h.
 *
 * The patches under one kernel's positions are laid out as columns, (channels kernel, positions), a tile of positions at
 * a time, so that a tile stays in the second-level cache; then all the arithmetic is a matrix product, and every backend
 * of matmul.c serves it. A kernel of one element, without stride or padding, needs no layout: the planes are its columns.
 *
 * Bits: images, groups, tiles and parts of the batch are cut by the shape alone, each is computed on one thread, and
 * what several of them add to one place is added in their order.
 *
 * Not here: checks and output sizes (ops/conv.c). */
#include "conv.h"
#include "rows.h"

#include <stdatomic.h>
#include <string.h>

enum {
    TILE_BYTES = 128 << 10, /* of columns: beside the weight, this stays in the second-level cache */
    LEAST_POSITIONS = 64,   /* of a tile: enough columns for a product to run at speed              */
    PARTS = 16,             /* of a batch or of channels, at most: enough for threads to share      */
    MOST_PARTIAL = 1 << 22  /* elements of partial weight gradients, unless there is one part only   */
};

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
static int64_t most(int64_t x, int64_t y) { return x > y ? x : y; }
/* ceil(x / y) and floor(x / y), y positive, x of any sign. */
static int64_t ceil_div(int64_t x, int64_t y) { return x > 0 ? (x - 1) / y + 1 : -(-x / y); }

static int64_t taps(const agx_conv *g) { return g->kernel[0] * g->kernel[1]; }
static int64_t depth(const agx_conv *g) { return g->channels * taps(g); }
static int64_t in_plane(const agx_conv *g) { return g->in[0] * g->in[1]; }
static int64_t out_plane(const agx_conv *g) { return g->out[0] * g->out[1]; }

/* Columns that lie in x already? (y may stop short of the last positions.) */
static bool is_pointwise(const agx_conv *g) {
    bool plain = true;
    for (int i = 0; i < 2; i++)
        plain = plain && g->kernel[i] == 1 && g->stride[i] == 1 && g->padding[i] == 0 && g->in[i] == g->out[i];
    return plain;
}

static char *at(const agx_conv *g, const void *data, int64_t offset) {
    return (char *)(uintptr_t)data + offset * (int64_t)ag_dtype_size(g->dtype);
}

/* ---- tiles of positions ------------------------------------------------------------------------------------ */

/* How the positions of an image are cut: whole rows, or, where one is too long, parts of a row. */
typedef struct cut {
    int64_t rows, columns; /* of a tile, at most */
    int64_t down, across;  /* how many tiles */
} cut;

static cut cut_positions(const agx_conv *g, int64_t column_length) {
    const int64_t bytes = most(column_length, 1) * (int64_t)ag_dtype_size(g->dtype);
    const int64_t positions = most(TILE_BYTES / bytes, LEAST_POSITIONS);
    cut c;
    c.columns = g->out[1] <= 2 * positions ? g->out[1] : positions;
    c.rows = most(positions / c.columns, 1);
    if (is_pointwise(g)) c.rows = g->out[0], c.columns = g->out[1];
    c.down = ceil_div(g->out[0], c.rows);
    c.across = ceil_div(g->out[1], c.columns);
    return c;
}

/* Positions of rows [row, row_end) and columns [column, column_end): consecutive in the plane from `first` on. */
typedef struct tile {
    int64_t row, row_end, column, column_end, first, count;
} tile;

static tile tile_of(const agx_conv *g, const cut *c, int64_t i) {
    tile t;
    t.row = i / c->across * c->rows;
    t.row_end = least(t.row + c->rows, g->out[0]);
    t.column = i % c->across * c->columns;
    t.column_end = least(t.column + c->columns, g->out[1]);
    t.first = t.row * g->out[1] + t.column;
    t.count = (t.row_end - t.row) * (t.column_end - t.column);
    return t;
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

/* memcpy for the few bytes of a row, without a call. */
static inline void copy_row(char *restrict z, const char *restrict x, int64_t n) {
    if (n >= 32) {
        for (int64_t i = 0; i < n - 32; i += 32) memcpy(z + i, x + i, 32);
        memcpy(z + n - 32, x + n - 32, 32); /* may overlap the one before */
    } else if (n >= 16) {
        memcpy(z, x, 16);
        memcpy(z + n - 16, x + n - 16, 16);
    } else if (n >= 8) {
        memcpy(z, x, 8);
        memcpy(z + n - 8, x + n - 8, 8);
    } else if (n == 4) {
        memcpy(z, x, 4);
    }
}

/* z[i] = x[i * step], elements of 4 or 8 bytes. */
static void copy_steps(size_t size, char *restrict z, const char *restrict x, int64_t n, int64_t step) {
    if (size == 4)
        for (int64_t i = 0; i < n; i++) memcpy(z + 4 * i, x + 4 * i * step, 4);
    else
        for (int64_t i = 0; i < n; i++) memcpy(z + 8 * i, x + 8 * i * step, 8);
}

/* z[i * step] += x[i]. */
static void add_steps(ag_dtype dtype, char *z, const char *x, int64_t n, int64_t step) {
    if (dtype == AG_F32) {
        float *restrict to = (float *)(void *)z;
        const float *restrict from = (const float *)(const void *)x;
        if (step == 1)
            for (int64_t i = 0; i < n; i++) to[i] += from[i];
        else
            for (int64_t i = 0; i < n; i++) to[i * step] += from[i];
    } else {
        double *restrict to = (double *)(void *)z;
        const double *restrict from = (const double *)(const void *)x;
        if (step == 1)
            for (int64_t i = 0; i < n; i++) to[i] += from[i];
        else
            for (int64_t i = 0; i < n; i++) to[i * step] += from[i];
    }
}

/* The columns of a tile for n_channels planes: x to columns (n_channels kernel, count), or, backwards, columns added
 * to x where they came from. */
static void move_columns(const agx_conv *g, const tile *t, int64_t n_channels, char *x, char *columns,
                         bool backwards) {
    const int64_t size = (int64_t)ag_dtype_size(g->dtype), stride = g->stride[1];
    const int64_t width = t->column_end - t->column;
    for (int64_t i = 0; i < n_channels * taps(g); i++) {
        const int64_t ky = i / g->kernel[1] % g->kernel[0], kx = i % g->kernel[1];
        const int64_t down = ky * g->dilation[0] - g->padding[0], across = kx * g->dilation[1] - g->padding[1];
        /* columns of the tile whose element lies inside the plane: [from, to) */
        const int64_t from = least(most(ceil_div(-across, stride), t->column), t->column_end);
        const int64_t to = most(least(ceil_div(g->in[1] - across, stride), t->column_end), from);
        char *plane = x + i / taps(g) * in_plane(g) * size;
        for (int64_t row = t->row; row < t->row_end; row++, columns += width * size) {
            const int64_t y = row * g->stride[0] + down;
            const bool inside = y >= 0 && y < g->in[0] && from < to;
            char *line = columns + (from - t->column) * size;
            char *place = inside ? plane + (y * g->in[1] + from * stride + across) * size : NULL;
            if (backwards) {
                if (inside) add_steps(g->dtype, place, line, to - from, stride);
            } else if (!inside) {
                memset(columns, 0, (size_t)(width * size));
            } else {
                if (from > t->column) memset(columns, 0, (size_t)((from - t->column) * size));
                if (stride == 1)
                    copy_row(line, place, (to - from) * size);
                else
                    copy_steps((size_t)size, line, place, to - from, stride);
                if (to < t->column_end)
                    memset(columns + (to - t->column) * size, 0, (size_t)((t->column_end - to) * size));
            }
        }
    }
}

/* ---- tasks --------------------------------------------------------------------------------------------------- */

/* What the tasks of a call share. Each thread has a workspace and a buffer of its own. */
typedef struct job {
    const agx_conv *g;
    cut cut;
    const char *x, *w, *dy, *bias; /* those that are given */
    char *out;                     /* y, dx, or partial weight gradients (parts, groups, depth, filters) */
    int64_t parts, part;           /* of the channels or the batch: how many, and how large at most */
    ag_workspace *team;            /* (threads) */
    char *columns;                 /* (threads, columns_bytes) */
    size_t columns_bytes;
    _Atomic int status;
} job;

/* Bytes for the columns of the largest tile, rounded to cache lines; false: they cannot be counted. */
static bool columns_bytes(const agx_conv *g, const cut *c, int64_t column_length, size_t *bytes) {
    const size_t count = (size_t)most(column_length, 1);
    if (is_pointwise(g)) {
        *bytes = 0;
        return true;
    }
    if (!ag_size_mul((size_t)(c->rows * c->columns), count, bytes) ||
        !ag_size_mul(*bytes, ag_dtype_size(g->dtype), bytes) || !ag_size_add(*bytes, 63, bytes))
        return false;
    *bytes &= ~(size_t)63;
    return true;
}

/* Runs `n` tasks, sharing them out where the work is worth it. A single task gives its product all the threads. */
static ag_status run(job *j, int64_t n, double flops, agx_task *task, int64_t column_length, ag_workspace *work) {
    const double worth = 2e6; /* floating-point operations that pay for waking a thread */
    int threads = 1;
    size_t bytes;
    if (n > 1 && flops >= 2 * worth) threads = (int)least(work->threads, n);
    if (!columns_bytes(j->g, &j->cut, column_length, &j->columns_bytes) ||
        !ag_size_mul(j->columns_bytes, (size_t)threads, &bytes))
        return AG_ERROR_MEMORY;
    if (!(j->columns = ag_scratch(work, bytes))) return AG_ERROR_MEMORY;
    atomic_init(&j->status, AG_OK);
    j->team = work;
    if (threads > 1) {
        j->team = ag_scratch(work, (size_t)threads * sizeof *j->team);
        if (!j->team) return AG_ERROR_MEMORY;
        for (int i = 0; i < threads; i++) agx_workspace_init(&j->team[i], 1);
    }
    agx_tasks_run(n, threads, task, j);
    for (int i = 0; threads > 1 && i < threads; i++) agx_workspace_clear(&j->team[i]);
    return (ag_status)atomic_load(&j->status);
}

static void multiply(job *j, const agx_matmul *product, int thread) {
    const ag_status status = agx_matmul_run(product, &j->team[thread]);
    if (status != AG_OK) atomic_store(&j->status, (int)status);
}

static double flops_of(const agx_conv *g) {
    return 2.0 * (double)g->batch * (double)g->groups * (double)g->filters * (double)depth(g) *
           (double)out_plane(g);
}

/* ---- forward ------------------------------------------------------------------------------------------------- */

/* Every position of a row of the tile starts at its filter's bias. */
static void start_at_bias(const agx_conv *g, const char *bias, int64_t count, char *y) {
    for (int64_t f = 0; f < g->filters; f++, y += out_plane(g) * (int64_t)ag_dtype_size(g->dtype)) {
        if (g->dtype == AG_F32) {
            const float b = ((const float *)(const void *)bias)[f];
            for (int64_t i = 0; i < count; i++) ((float *)(void *)y)[i] = b;
        } else {
            const double b = ((const double *)(const void *)bias)[f];
            for (int64_t i = 0; i < count; i++) ((double *)(void *)y)[i] = b;
        }
    }
}

/* One tile of one group of one image. */
static void forward_tile(void *context, int64_t i, int thread) {
    job *j = context;
    const agx_conv *g = j->g;
    const int64_t tiles = j->cut.down * j->cut.across, image = i / tiles, group = image % g->groups;
    const tile t = tile_of(g, &j->cut, i % tiles);
    char *x = at(g, j->x, image * g->channels * in_plane(g)); /* (channels, in) */
    char *y = at(g, j->out, image * g->filters * out_plane(g) + t.first);
    agx_matmul product = {.dtype = g->dtype,
                          .m = g->filters,
                          .n = t.count,
                          .k = depth(g),
                          .a = at(g, j->w, group * g->filters * depth(g)),
                          .a_rs = depth(g),
                          .a_cs = 1,
                          .b = x,
                          .b_rs = in_plane(g),
                          .b_cs = 1,
                          .c = y,
                          .ldc = out_plane(g),
                          .accumulate = j->bias != NULL};
    if (!is_pointwise(g)) {
        char *columns = j->columns + (size_t)thread * j->columns_bytes;
        move_columns(g, &t, g->channels, x, columns, false);
        product.b = columns;
        product.b_rs = t.count;
    }
    if (j->bias) start_at_bias(g, at(g, j->bias, group * g->filters), t.count, y);
    multiply(j, &product, thread);
}

ag_status agx_conv_run(const agx_conv *g, const void *x, const void *w, const void *bias, void *y,
                       ag_workspace *work) {
    job j = {.g = g, .cut = cut_positions(g, depth(g)), .x = x, .w = w, .bias = bias, .out = y};
    const int64_t n = g->batch * g->groups * j.cut.down * j.cut.across;
    if (g->filters == 0 || n == 0) return AG_OK;
    return run(&j, n, flops_of(g), forward_tile, depth(g), work);
}

/* ---- the gradient by the input ---------------------------------------------------------------------------------- */

/* A part of the channels of one group of one image: columns of adjoints, tile by tile, added where they came from. */
static void input_part(void *context, int64_t i, int thread) {
    job *j = context;
    const agx_conv *g = j->g;
    const int64_t image = i / j->parts, group = image % g->groups, channel = i % j->parts * j->part;
    const int64_t channels = least(j->part, g->channels - channel);
    char *dx = at(g, j->out, (image * g->channels + channel) * in_plane(g));
    if (channels <= 0) return;
    agx_matmul product = {.dtype = g->dtype,
                          .m = channels * taps(g),
                          .k = g->filters,
                          .a = at(g, j->w, group * g->filters * depth(g) + channel * taps(g)),
                          .a_rs = 1,
                          .a_cs = depth(g),
                          .b_rs = out_plane(g),
                          .b_cs = 1};
    if (!is_pointwise(g)) memset(dx, 0, (size_t)(channels * in_plane(g)) * ag_dtype_size(g->dtype));
    for (int64_t k = 0; k < j->cut.down * j->cut.across; k++) {
        const tile t = tile_of(g, &j->cut, k);
        char *columns = j->columns + (size_t)thread * j->columns_bytes;
        product.n = t.count;
        product.b = at(g, j->dy, image * g->filters * out_plane(g) + t.first);
        product.c = is_pointwise(g) ? dx : columns;
        product.ldc = is_pointwise(g) ? in_plane(g) : t.count;
        multiply(j, &product, thread);
        if (!is_pointwise(g)) move_columns(g, &t, channels, dx, columns, true);
    }
}

ag_status agx_conv_grad_input(const agx_conv *g, const void *dy, const void *w, void *dx, ag_workspace *work) {
    const int64_t images = g->batch * g->groups;
    job j = {.g = g, .w = w, .dy = dy, .out = dx};
    if (images == 0 || g->channels == 0 || in_plane(g) == 0) return AG_OK;
    j.parts = images >= PARTS ? 1 : least(ceil_div(PARTS, images), g->channels);
    j.part = ceil_div(g->channels, j.parts);
    j.cut = cut_positions(g, j.part * taps(g));
    return run(&j, images * j.parts, flops_of(g), input_part, j.part * taps(g), work);
}

/* ---- the gradient by the weight ----------------------------------------------------------------------------------- */

/* A part of the batch for one group: partial (depth, filters) = sum of columns dy^T. */
static void weight_part(void *context, int64_t i, int thread) {
    job *j = context;
    const agx_conv *g = j->g;
    const int64_t part = i / g->groups, group = i % g->groups;
    const int64_t end = g->batch * (part + 1) / j->parts;
    agx_matmul product = {.dtype = g->dtype,
                          .m = depth(g),
                          .n = g->filters,
                          .a_cs = 1,
                          .b_rs = 1,
                          .b_cs = out_plane(g),
                          .c = at(g, j->out, i * depth(g) * g->filters),
                          .ldc = g->filters};
    for (int64_t n = g->batch * part / j->parts; n < end; n++) {
        const int64_t image = n * g->groups + group;
        char *x = at(g, j->x, image * g->channels * in_plane(g));
        for (int64_t k = 0; k < j->cut.down * j->cut.across; k++) {
            const tile t = tile_of(g, &j->cut, k);
            char *columns = j->columns + (size_t)thread * j->columns_bytes;
            if (!is_pointwise(g)) move_columns(g, &t, g->channels, x, columns, false);
            product.k = t.count;
            product.a = is_pointwise(g) ? x : columns;
            product.a_rs = is_pointwise(g) ? in_plane(g) : t.count;
            product.b = at(g, j->dy, image * g->filters * out_plane(g) + t.first);
            multiply(j, &product, thread);
            product.accumulate = true;
        }
    }
}

/* dw (groups, filters, depth) = the sum of partial (parts, groups, depth, filters), transposed. */
static void add_parts(const agx_conv *g, const void *partial, int64_t parts, void *dw) {
    const int64_t d = depth(g), f = g->filters, all = g->groups * d * f;
    for (int64_t i = 0; i < g->groups * f; i++) {
        const int64_t from = i / f * d * f + i % f;
        for (int64_t k = 0; k < d; k++) {
            if (g->dtype == AG_F32) {
                const float *p = (const float *)partial + from + k * f;
                float sum = p[0];
                for (int64_t c = 1; c < parts; c++) sum += p[c * all];
                ((float *)dw)[i * d + k] = sum;
            } else {
                const double *p = (const double *)partial + from + k * f;
                double sum = p[0];
                for (int64_t c = 1; c < parts; c++) sum += p[c * all];
                ((double *)dw)[i * d + k] = sum;
            }
        }
    }
}

ag_status agx_conv_grad_weight(const agx_conv *g, const void *x, const void *dy, void *dw, ag_workspace *work) {
    const int64_t count = g->groups * g->filters * depth(g);
    size_t bytes = (size_t)count * ag_dtype_size(g->dtype);
    job j = {.g = g, .cut = cut_positions(g, depth(g)), .x = x, .dy = dy};
    if (count == 0) return AG_OK;
    if (g->batch == 0) {
        memset(dw, 0, bytes);
        return AG_OK;
    }
    j.parts = most(least(least(g->batch, PARTS), MOST_PARTIAL / count), 1);
    if (!ag_size_mul(bytes, (size_t)j.parts, &bytes) || !(j.out = ag_scratch(work, bytes))) return AG_ERROR_MEMORY;
    const ag_status status = run(&j, j.parts * g->groups, flops_of(g), weight_part, depth(g), work);
    if (status == AG_OK) add_parts(g, j.out, j.parts, dw);
    return status;
}
