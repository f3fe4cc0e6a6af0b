/* pooling: windows as layers. */
#include "pooling.h"

typedef ag_value window_operation(ag_value x, const ag_pool_options *options);
typedef ag_value part_operation(ag_value x, int64_t height, int64_t width);

typedef struct pool {
    nn_module base;
    window_operation *windows;
    ag_pool_options options;
    part_operation *parts; /* adaptive, instead of windows */
    int64_t height, width;
} pool;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    const pool *p = (const pool *)m;
    return p->windows ? p->windows(x, &p->options) : p->parts(x, p->height, p->width);
}

static nn_module *with_windows(const char *type, window_operation *windows, const ag_pool_options *options,
                               ag_error *error) {
    if (!options || options->kernel.n == 0) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: needs a kernel", type);
        return NULL;
    }
    pool *p = nn_module_new(sizeof *p, type, forward, error);
    if (!p) return NULL;
    p->windows = windows;
    p->options = *options;
    return &p->base;
}

nn_module *nn_max_pool2d(const ag_pool_options *options, ag_error *error) {
    return with_windows("max_pool2d", ag_max_pool2d, options, error);
}
nn_module *nn_max_pool1d(const ag_pool_options *options, ag_error *error) {
    return with_windows("max_pool1d", ag_max_pool1d, options, error);
}
nn_module *nn_avg_pool2d(const ag_pool_options *options, ag_error *error) {
    return with_windows("avg_pool2d", ag_avg_pool2d, options, error);
}
nn_module *nn_avg_pool1d(const ag_pool_options *options, ag_error *error) {
    return with_windows("avg_pool1d", ag_avg_pool1d, options, error);
}

static nn_module *with_parts(const char *type, part_operation *parts, int64_t height, int64_t width,
                             ag_error *error) {
    if (height < 1 || width < 1) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: a size of %lld", type,
                      (long long)(height < 1 ? height : width));
        return NULL;
    }
    pool *p = nn_module_new(sizeof *p, type, forward, error);
    if (!p) return NULL;
    p->parts = parts;
    p->height = height;
    p->width = width;
    return &p->base;
}

static ag_value mean_of_signals(ag_value x, int64_t height, int64_t width) {
    (void)height;
    return ag_adaptive_avg_pool1d(x, width);
}

static ag_value largest_of_signals(ag_value x, int64_t height, int64_t width) {
    return ag_squeeze(ag_adaptive_max_pool2d(ag_unsqueeze(x, -2), height, width), -2);
}

nn_module *nn_adaptive_avg_pool2d(int64_t height, int64_t width, ag_error *error) {
    return with_parts("adaptive_avg_pool2d", ag_adaptive_avg_pool2d, height, width, error);
}
nn_module *nn_adaptive_avg_pool1d(int64_t length, ag_error *error) {
    return with_parts("adaptive_avg_pool1d", mean_of_signals, 1, length, error);
}
nn_module *nn_adaptive_max_pool2d(int64_t height, int64_t width, ag_error *error) {
    return with_parts("adaptive_max_pool2d", ag_adaptive_max_pool2d, height, width, error);
}
nn_module *nn_adaptive_max_pool1d(int64_t length, ag_error *error) {
    return with_parts("adaptive_max_pool1d", largest_of_signals, 1, length, error);
}
