/* pooling_template: pooling of one plane for one element type; included by pooling.c once per type.
 *
 * Given: T, NAME(x). */

static void NAME(max_plane)(const agx_pooling *p, const T *restrict x, T *restrict y, int64_t *restrict index) {
    for (int64_t i = 0; i < p->out[0]; i++) {
        const agx_span rows = p->span[0][i];
        for (int64_t j = 0; j < p->out[1]; j++) {
            const agx_span columns = p->span[1][j];
            int64_t best = rows.first * p->in[1] + columns.first;
            T largest = x[best];
            for (int64_t r = rows.first; r < rows.end; r += p->step[0]) {
                const int64_t line = r * p->in[1];
                for (int64_t c = columns.first; c < columns.end; c += p->step[1]) {
                    const T value = x[line + c];
                    /* not "<=": once largest is NaN no comparison holds and it stays; the first NaN replaces a number */
                    if (value > largest || (value != value && largest == largest)) {
                        largest = value;
                        best = line + c;
                    }
                }
            }
            *y++ = largest;
            *index++ = best;
        }
    }
}

static void NAME(average_plane)(const agx_pooling *p, const T *restrict x, T *restrict y) {
    for (int64_t i = 0; i < p->out[0]; i++) {
        const agx_span rows = p->span[0][i];
        for (int64_t j = 0; j < p->out[1]; j++) {
            const agx_span columns = p->span[1][j];
            double sum = 0;
            for (int64_t r = rows.first; r < rows.end; r++)
                for (int64_t c = columns.first; c < columns.end; c++) sum += (double)x[r * p->in[1] + c];
            const bool empty = rows.first >= rows.end || columns.first >= columns.end;
            *y++ = empty ? 0 : (T)(sum / (double)divisor_of(p, &rows, &columns));
        }
    }
}

static void NAME(average_plane_grad)(const agx_pooling *p, const T *restrict dy, T *restrict dx) {
    memset(dx, 0, (size_t)(p->in[0] * p->in[1]) * sizeof(T));
    for (int64_t i = 0; i < p->out[0]; i++) {
        const agx_span rows = p->span[0][i];
        for (int64_t j = 0; j < p->out[1]; j++, dy++) {
            const agx_span columns = p->span[1][j];
            if (rows.first >= rows.end || columns.first >= columns.end) continue;
            const T share = *dy / (T)divisor_of(p, &rows, &columns);
            for (int64_t r = rows.first; r < rows.end; r++)
                for (int64_t c = columns.first; c < columns.end; c++) dx[r * p->in[1] + c] += share;
        }
    }
}

static void NAME(scatter_plane)(int64_t count, int64_t size, const T *restrict dy, const int64_t *restrict index,
                                T *restrict dx) {
    memset(dx, 0, (size_t)size * sizeof(T));
    for (int64_t i = 0; i < count; i++) dx[index[i]] += dy[i];
}

static void NAME(gather_plane)(int64_t count, const T *restrict dx, const int64_t *restrict index,
                               T *restrict dy) {
    for (int64_t i = 0; i < count; i++) dy[i] = dx[index[i]];
}
