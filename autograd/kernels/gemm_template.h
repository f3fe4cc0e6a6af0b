/* gemm_template: the matrix product for one element type; included by gemm.c once per type.
 *
 * Given: T, NAME(x), LANES (elements of a vector), QUAD (elements of 16 bytes), SHUFFLE, JOIN2, JOIN4,
 * FMA.
 * Names of one letter are those of agx_matmul. */

typedef T NAME(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef T NAME(vec_in_memory) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
typedef T NAME(quad) __attribute__((vector_size(16)));
typedef T NAME(quad_in_memory) __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
#define PACKED_ROWS ((TILE_ROWS + LANES - 1) / LANES * LANES)
#define vec         NAME(vec)
#define quad        NAME(quad)
#define load        NAME(load)
#define store       NAME(store)

INLINE vec load(const T *p) { return *(const NAME(vec_in_memory) *)p; }
INLINE void store(T *p, vec v) { *(NAME(vec_in_memory) *)p = v; }

/* x in every lane (to subtract 0 changes nothing, not even -0). */
INLINE vec NAME(splat)(T x) { return x - (vec){0}; }

/* p, so many bytes on: with strides in bytes an address is one addition. */
INLINE T *NAME(byte_step)(const T *p, int64_t bytes) { return (T *)((uintptr_t)p + (uintptr_t)bytes); }

/* Copies the n < LANES elements of the last, partial vector of a row. */
INLINE void NAME(copy_part)(T *restrict z, const T *restrict x, int64_t n) {
    if (LANES > 8 && (n & 8)) memcpy(z, x, 8 * sizeof(T)), z += 8, x += 8;
    if (LANES > 4 && (n & 4)) memcpy(z, x, 4 * sizeof(T)), z += 4, x += 4;
    if (LANES > 2 && (n & 2)) memcpy(z, x, 2 * sizeof(T)), z += 2, x += 2;
    if (n & 1) *z = *x;
}

/* ---- the tile ---------------------------------------------------------------------------------------------- */

/* What a tile works on: c (rows, width) = [c +] a (rows, k) b (k, vectors) [+ bias], one block of k. */
typedef struct NAME(tile_job) {
    int64_t k, a_rs, a_cs, b_rs, ldc; /* strides in bytes */
    int64_t width;                    /* columns that exist: the last vector may be partial */
    const T *b;
    const T *bias; /* (vectors), or NULL */
    bool accumulate;
} NAME(tile_job);
#define tile_job NAME(tile_job)

/* The end of a tile at the right edge: sum (rows, vectors), of which the first `width` columns go to c. */
static __attribute__((noinline)) void NAME(put_edge)(int64_t rows, int64_t vectors, const tile_job *job, T *sum,
                                                     T *restrict c) {
    const int64_t whole = (vectors - 1) * LANES, part = job->width - whole;
    for (int64_t i = 0; i < rows; i++, sum += vectors * LANES, c += job->ldc / (int64_t)sizeof(T)) {
        if (job->accumulate) {
            T edge[LANES] = {0};
            NAME(copy_part)(edge, c + whole, part);
            for (int64_t j = 0; j < whole; j += LANES) store(sum + j, load(sum + j) + load(c + j));
            store(sum + whole, load(sum + whole) + load(edge));
        }
        for (int64_t j = 0; job->bias && j <= whole; j += LANES)
            store(sum + j, load(sum + j) + load(job->bias + j));
        for (int64_t j = 0; j < whole; j += LANES) store(c + j, load(sum + j));
        NAME(copy_part)(c + whole, sum + whole, part);
    }
}

/* The end of a tile: its sums to their place. */
INLINE void NAME(put)(int rows, int vectors, const tile_job *job, vec sum[][WIDE_VECTORS], T *c) {
    if (job->width != vectors * LANES) {
        T edge[TALL_ROWS * TILE_VECTORS * LANES];
        UNROLL for (int i = 0; i < rows; i++) {
            UNROLL for (int j = 0; j < vectors; j++) { store(edge + (i * vectors + j) * LANES, sum[i][j]); }
        }
        NAME(put_edge)(rows, vectors, job, edge, c);
        return;
    }
    if (job->accumulate) {
        UNROLL for (int i = 0; i < rows; i++) {
            const T *z = NAME(byte_step)(c, i * job->ldc);
            UNROLL for (int j = 0; j < vectors; j++) { sum[i][j] += load(z + j * LANES); }
        }
    }
    if (job->bias) {
        UNROLL for (int j = 0; j < vectors; j++) {
            const vec bias = load(job->bias + j * LANES);
            UNROLL for (int i = 0; i < rows; i++) { sum[i][j] += bias; }
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        T *z = NAME(byte_step)(c, i * job->ldc);
        UNROLL for (int j = 0; j < vectors; j++) { store(z + j * LANES, sum[i][j]); }
    }
}

/* `rows` and `vectors` are constants where this is expanded: the sums live in registers. */
INLINE void NAME(tile)(int rows, int vectors, const tile_job *job, const T *restrict a, T *restrict c) {
    vec sum[TALL_ROWS][WIDE_VECTORS];
    const int64_t a_rs = job->a_rs, a_cs = job->a_cs, b_rs = job->b_rs;
    const T *b = job->b;
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) { sum[i][j] = (vec){0}; }
    }
    for (int64_t p = job->k; p > 0; p--) {
        vec y[WIDE_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) { y[j] = load(b + j * LANES); }
        UNROLL for (int i = 0; i < rows; i++) {
            const vec x = NAME(splat)(*NAME(byte_step)(a, i * a_rs));
            UNROLL for (int j = 0; j < vectors; j++) { sum[i][j] = FMA(x, y[j], sum[i][j]); }
        }
        a = NAME(byte_step)(a, a_cs);
        b = NAME(byte_step)(b, b_rs);
    }
    NAME(put)(rows, vectors, job, sum, c);
}

/* One function for each number of rows and vectors. */
typedef void NAME(tile_function)(const tile_job *job, const T *a, T *c);
#define TILE_NAME(rows, vectors) NAME(tile_##rows##_##vectors)
#define TILE(rows, vectors)                                                                                       \
    static void TILE_NAME(rows, vectors)(const tile_job *job, const T *a, T *c) {                                 \
        NAME(tile)(rows, vectors, job, a, c);                                                                     \
    }
#define TILES_6(X, v)             X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#define TILES_12(X, v)            TILES_6(X, v) X(7, v) X(8, v) X(9, v) X(10, v) X(11, v) X(12, v)
#define TILE_LIST                 PASTE(TILES, TILE_ROWS)
#define TILE_ENTRY(rows, vectors) TILE_NAME(rows, vectors),

/* clang-format off */
TILES_12(TILE, 1)
TILE_LIST(TILE, 2)
TILE(1, 8)
static NAME(tile_function) *const NAME(tiles)[TILE_VECTORS][TALL_ROWS] = {
    {TILES_12(TILE_ENTRY, 1)},
    {TILE_LIST(TILE_ENTRY, 2)},
};
/* clang-format on */

/* ---- packing ----------------------------------------------------------------------------------------------- */

/* LANES elements x_cs apart; element i stands for min(i, last). */
INLINE vec NAME(gather)(const T *x, int64_t x_cs, int64_t last) {
    vec y;
    UNROLL for (int i = 0; i < LANES; i++) { y[i] = x[(i < last ? i : last) * x_cs]; }
    return y;
}

/* QUAD vectors, z[g] = row g of the block whose columns are LANES rows of x, x_rs apart; row r stands for
 * min(r, last), so that nothing is read past the edge. */
INLINE void NAME(transpose)(const T *x, int64_t x_rs, int64_t last, vec z[QUAD]) {
    vec y[QUAD];
    UNROLL for (int g = 0; g < QUAD; g++) {
        quad q[LANES / QUAD];
        UNROLL for (int l = 0; l < LANES / QUAD; l++) {
            const int64_t row = l * QUAD + g;
            q[l] = *(const NAME(quad_in_memory) *)(x + (row < last ? row : last) * x_rs);
        }
#if VECTOR_BYTES == 64
        y[g] = JOIN4(JOIN2(q[0], q[1]), JOIN2(q[2], q[3]));
#elif VECTOR_BYTES == 32
        y[g] = JOIN2(q[0], q[1]);
#else
        y[g] = q[0];
#endif
    }
#if QUAD == 4
    const vec low01 = SHUFFLE(y[0], y[1], 0, 4, 1, 5), high01 = SHUFFLE(y[0], y[1], 2, 6, 3, 7);
    const vec low23 = SHUFFLE(y[2], y[3], 0, 4, 1, 5), high23 = SHUFFLE(y[2], y[3], 2, 6, 3, 7);
    z[0] = SHUFFLE(low01, low23, 0, 1, 4, 5);
    z[1] = SHUFFLE(low01, low23, 2, 3, 6, 7);
    z[2] = SHUFFLE(high01, high23, 0, 1, 4, 5);
    z[3] = SHUFFLE(high01, high23, 2, 3, 6, 7);
#else
    z[0] = SHUFFLE(y[0], y[1], 0, 2);
    z[1] = SHUFFLE(y[0], y[1], 1, 3);
#endif
}

/* z (k, z_rs) from x (k, width), whole vectors at a time: columns from `width` to the end of its vector are
 * written with copies of valid elements or zeros. */
static __attribute__((noinline)) void NAME(pack)(int64_t k, int64_t width, const T *x, int64_t rs, int64_t cs,
                                                 T *restrict z, int64_t z_rs) {
    int64_t j = 0;
    if (cs == 1 && width >= LANES) {
        j = width - width % LANES;
        for (int64_t p = 0; p < k; p++)
            for (int64_t i = 0; i < j; i += LANES) store(z + p * z_rs + i, load(x + p * rs + i));
    }
    for (; j < width; j += LANES) {
        const int64_t n = width - j < LANES ? width - j : LANES;
        const T *from = x + j * cs;
        T *to = z + j;
        if (cs == 1) {
            for (int64_t p = 0; p < k; p++) {
                store(to + p * z_rs, (vec){0});
                NAME(copy_part)(to + p * z_rs, from + p * rs, n);
            }
        } else if (rs == 1 && k >= QUAD) {
            for (int64_t p = 0; p < k; p += QUAD) {
                vec y[QUAD];
                p = p < k - QUAD ? p : k - QUAD; /* the last block overlaps the one before */
                NAME(transpose)(from + p, cs, n - 1, y);
                UNROLL for (int g = 0; g < QUAD; g++) { store(to + (p + g) * z_rs, y[g]); }
            }
        } else {
            for (int64_t p = 0; p < k; p++) store(to + p * z_rs, NAME(gather)(from + p * rs, cs, n - 1));
        }
    }
}

/* A block of a (m, k), as tiles of (k, PACKED_ROWS). */
static void NAME(pack_tiles)(int64_t m, int64_t k, const T *a, int64_t rs, int64_t cs, T *restrict z) {
    const row_cut cut = cut_rows(m, TILE_ROWS);
    int64_t i = 0;
    for (int64_t t = 0; t < cut.tiles; t++, z += k * PACKED_ROWS) {
        /* rows of the next tile may come along: whole vectors are packed faster than parts */
        NAME(pack)(k, m - i < PACKED_ROWS ? m - i : PACKED_ROWS, a + i * rs, cs, rs, z, PACKED_ROWS);
        i += cut.rows + (t < cut.longer);
    }
}

static void NAME(dense)(int64_t rows, int64_t columns, const void *from, int64_t rs, int64_t cs, void *to) {
    const T *x = from;
    T *z = to;
    const int64_t whole = columns - columns % LANES;
    NAME(pack)(rows, whole, x, rs, cs, z, columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = whole; j < columns; j++) z[i * columns + j] = x[i * rs + j * cs];
}

/* ---- the product ------------------------------------------------------------------------------------------- */

/* The bias of a panel, padded at the edge to whole vectors in `padded`. */
INLINE const T *NAME(panel_bias)(const T *bias, int64_t width, int64_t vectors, T *padded) {
    if (!bias || width == vectors * LANES) return bias;
    memset(padded, 0, (size_t)vectors * LANES * sizeof(T));
    memcpy(padded, bias, (size_t)width * sizeof(T));
    return padded;
}

/* Columns of c (1, n) where those of b are dense: b is transposed on its way to the sums, one to a vector. */
INLINE void NAME(row_columns)(int vectors, const tile_job *job, const T *a, int64_t a_cs, const T *b, int64_t b_cs,
                              T *c) {
    vec sum[1][WIDE_VECTORS], y[TILE_VECTORS][QUAD];
    const int64_t last = job->width - 1 - (vectors - 1) * LANES; /* in the last vector */
    UNROLL for (int j = 0; j < vectors; j++) { sum[0][j] = (vec){0}; }
    int64_t p = 0;
    for (; p + QUAD <= job->k; p += QUAD) {
        UNROLL for (int j = 0; j < vectors; j++) {
            NAME(transpose)(b + j * LANES * b_cs + p, b_cs, j < vectors - 1 ? LANES - 1 : last, y[j]);
        }
        UNROLL for (int g = 0; g < QUAD; g++) {
            const vec x = NAME(splat)(a[(p + g) * a_cs]);
            UNROLL for (int j = 0; j < vectors; j++) { sum[0][j] = FMA(x, y[j][g], sum[0][j]); }
        }
    }
    for (; p < job->k; p++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            const vec x = NAME(splat)(a[p * a_cs]);
            const T *column = b + j * LANES * b_cs + p;
            sum[0][j] = FMA(x, NAME(gather)(column, b_cs, j < vectors - 1 ? LANES - 1 : last), sum[0][j]);
        }
    }
    NAME(put)(1, vectors, job, sum, c);
}

static void NAME(row)(const agx_matmul *p, tile_job *job, const T *a, const T *b, const T *bias) {
    T padded[TILE_VECTORS * LANES];
    for (int64_t j = 0; j < p->n; j += job->width) {
        const T *y = b + j * p->b_cs;
        T *c = (T *)p->c + j;
        const int64_t left = p->n - j;
        job->width = left < TILE_VECTORS * LANES ? left : TILE_VECTORS * LANES;
        job->bias = NAME(panel_bias)(bias ? bias + j : NULL, job->width, job->width > LANES ? 2 : 1, padded);
        if (job->width > LANES)
            NAME(row_columns)(2, job, a, p->a_cs, y, p->b_cs, c);
        else
            NAME(row_columns)(1, job, a, p->a_cs, y, p->b_cs, c);
    }
}

/* One block of k: c (m, n) (+)= a (m, k) b (k, n). job: everything but b and the columns. */
static void NAME(block)(const agx_matmul *p, tile_job *job, const T *a, int64_t a_step, const T *b,
                        const T *bias) {
    _Alignas(64) T panel[AGX_GEMM_DEPTH * TILE_VECTORS * LANES]; /* (k, columns of a tile) */
    _Alignas(64) T padded[TILE_VECTORS * LANES];                 /* bias at the edge */
    /* b's rows are read in place when few rows of a share the cost of packing, the more so from a small b */
    const bool small = p->k * p->n <= 16384 / (int64_t)sizeof(T);
    const bool in_place = p->b_cs == 1 && p->m <= (small ? 32 : 2 * TILE_ROWS);
    const int64_t n = p->n;
    const row_cut low = cut_rows(p->m, TILE_ROWS);
    for (int64_t j = 0; j < n; j += job->width) {
        NAME(tile_function) *const *tiles = NAME(tiles)[TILE_VECTORS - 1];
        int64_t vectors = TILE_VECTORS;
        row_cut cut = low;
        job->width = n - j;
        if (p->m == 1 && in_place && n - j >= WIDE_VECTORS * LANES) {
            static NAME(tile_function) *const wide[1] = {TILE_NAME(1, 8)};
            vectors = WIDE_VECTORS;
            tiles = wide;
        } else if (n - j <= LANES) {
            vectors = 1;
            tiles = NAME(tiles)[0];
            if (!a_step) cut = cut_rows(p->m, TALL_ROWS);
        }
        if (job->width > vectors * LANES) job->width = vectors * LANES;
        const bool whole = job->width == vectors * LANES;
        job->bias = NAME(panel_bias)(bias ? bias + j : NULL, job->width, vectors, padded);
        if (in_place && whole) {
            job->b = b + j;
            job->b_rs = p->b_rs * (int64_t)sizeof(T);
        } else {
            NAME(pack)(job->k, job->width, b + j * p->b_cs, p->b_rs, p->b_cs, panel, vectors * LANES);
            job->b = panel;
            job->b_rs = vectors * LANES * (int64_t)sizeof(T);
        }
        const T *x = a;
        T *c = (T *)p->c + j;
        for (int64_t t = 0; t < cut.tiles; t++) {
            const int64_t rows = cut.rows + (t < cut.longer);
            tiles[rows - 1](job, x, c);
            x += a_step ? a_step : rows * p->a_rs;
            c += rows * p->ldc;
        }
    }
}

static void NAME(product)(const agx_matmul *p, void *packed) {
    const int64_t size = agx_gemm_depth(p->k), unit = sizeof(T);
    tile_job job = {
        .a_rs = p->a_rs * unit, .a_cs = p->a_cs * unit, .ldc = p->ldc * unit, .accumulate = p->accumulate};
    int64_t first = 0; /* of the block of k */
    do {
        const T *a = (const T *)p->a + first * p->a_cs, *b = (const T *)p->b + first * p->b_rs;
        const T *bias = first == 0 ? p->bias : NULL;
        job.k = p->k - first < size ? p->k - first : size;
        if (p->m == 1 && p->b_rs == 1) {
            NAME(row)(p, &job, a, b, bias);
        } else if (packed) {
            NAME(pack_tiles)(p->m, job.k, a, p->a_rs, p->a_cs, packed);
            job.a_rs = unit;
            job.a_cs = PACKED_ROWS * unit;
            NAME(block)(p, &job, packed, PACKED_ROWS * job.k, b, bias);
        } else {
            NAME(block)(p, &job, a, 0, b, bias);
        }
        job.accumulate = true;
        first += size;
    } while (first < p->k);
}

#undef PACKED_ROWS
#undef vec
#undef quad
#undef load
#undef store
#undef tile_job
#undef TILE_NAME
#undef TILE
#undef TILES_6
#undef TILES_12
#undef TILE_LIST
#undef TILE_ENTRY
