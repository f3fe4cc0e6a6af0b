/* conv: one constructor for all convolutions; a row says what each of them is. */
#include "conv.h"

typedef ag_value operation(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options);

typedef struct kind {
    const char *name;
    operation *apply;
    int axes;
    bool transposed;
} kind;

static const kind conv1d = {"conv1d", ag_conv1d, 1, false};
static const kind conv2d = {"conv2d", ag_conv2d, 2, false};
static const kind conv_transpose1d = {"conv_transpose1d", ag_conv_transpose1d, 1, true};
static const kind conv_transpose2d = {"conv_transpose2d", ag_conv_transpose2d, 2, true};

typedef struct conv {
    nn_module base;
    const kind *kind;
    ag_conv_options options;
    nn_param *weight; /* (n_out, n_in / groups, window...); transposed: (n_in, n_out / groups, window...) */
    nn_param *bias;   /* (n_out), or NULL */
} conv;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    conv *c = (conv *)m;
    const ag_value none = {0};
    return c->kind->apply(x, nn_use(pass, c->weight), c->bias ? nn_use(pass, c->bias) : none, &c->options);
}

static ag_status check_list(const kind *k, const char *what, const ag_ints *list, int64_t least, ag_error *error) {
    if (list->n != 0 && list->n != 1 && list->n != k->axes)
        return ag_fail(error, AG_ERROR_VALUE,
                       "nn_%s: %s is a list of %d; needs one number, or one for each of %d axes", k->name, what,
                       (int)list->n, k->axes);
    for (int i = 0; i < list->n; i++)
        if (list->v[i] < least)
            return ag_fail(error, AG_ERROR_VALUE, "nn_%s: %s is %lld; needs at least %lld", k->name, what,
                           (long long)list->v[i], (long long)least);
    return AG_OK;
}

static ag_status check(const kind *k, int64_t n_in, int64_t n_out, const int64_t *window, const nn_conv_options *o,
                       int64_t groups, ag_error *error) {
    if (n_in < 1 || n_out < 1)
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: %lld channels to %lld", k->name, (long long)n_in,
                       (long long)n_out);
    for (int i = 0; i < k->axes; i++)
        if (window[i] < 1)
            return ag_fail(error, AG_ERROR_VALUE, "nn_%s: a window of %lld", k->name, (long long)window[i]);
    if (groups < 1 || n_in % groups || n_out % groups)
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: %lld groups do not divide %lld and %lld channels", k->name,
                       (long long)groups, (long long)n_in, (long long)n_out);
    if (!k->transposed && o->output_padding.n)
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: output_padding is for transposed convolutions", k->name);
    ag_status status = check_list(k, "stride", &o->stride, 1, error);
    if (!status) status = check_list(k, "padding", &o->padding, 0, error);
    if (!status) status = check_list(k, "dilation", &o->dilation, 1, error);
    if (!status) status = check_list(k, "output_padding", &o->output_padding, 0, error);
    return status;
}

/* What one output sees; saturates where the parameter is refused anyhow. */
static int64_t fan(int64_t channels, const int64_t *window, int axes) {
    for (int i = 0; i < axes; i++) {
        if (channels > INT64_MAX / window[i]) return INT64_MAX;
        channels *= window[i];
    }
    return channels;
}

static nn_module *conv_new(const kind *k, int64_t n_in, int64_t n_out, const int64_t *window,
                           const nn_conv_options *options, ag_error *error) {
    const nn_conv_options o = options ? *options : (const nn_conv_options){0};
    const int64_t groups = o.groups ? o.groups : 1;
    if (check(k, n_in, n_out, window, &o, groups, error)) return NULL;
    conv *c = nn_module_new(sizeof *c, k->name, forward, error);
    if (!c) return NULL;
    c->kind = k;
    c->options = (ag_conv_options){o.stride, o.padding, o.dilation, o.output_padding, groups};

    int64_t dim[4] = {k->transposed ? n_in : n_out, (k->transposed ? n_out : n_in) / groups};
    for (int i = 0; i < k->axes; i++) dim[2 + i] = window[i];
    const nn_init uniform = nn_init_fan_uniform(fan(dim[1], window, k->axes));
    c->weight = nn_module_param(&c->base, "weight", 2 + k->axes, dim, o.weight ? *o.weight : uniform, error);
    if (c->weight && !o.no_bias)
        c->bias = nn_module_param(&c->base, "bias", 1, &n_out, o.bias ? *o.bias : uniform, error);
    if (!c->weight || (!o.no_bias && !c->bias)) return nn_module_free_null(&c->base);
    return &c->base;
}

nn_module *nn_conv2d(int64_t n_in, int64_t n_out, int64_t height, int64_t width, const nn_conv_options *options,
                     ag_error *error) {
    return conv_new(&conv2d, n_in, n_out, (const int64_t[]){height, width}, options, error);
}

nn_module *nn_conv1d(int64_t n_in, int64_t n_out, int64_t length, const nn_conv_options *options,
                     ag_error *error) {
    return conv_new(&conv1d, n_in, n_out, &length, options, error);
}

nn_module *nn_conv_transpose2d(int64_t n_in, int64_t n_out, int64_t height, int64_t width,
                               const nn_conv_options *options, ag_error *error) {
    return conv_new(&conv_transpose2d, n_in, n_out, (const int64_t[]){height, width}, options, error);
}

nn_module *nn_conv_transpose1d(int64_t n_in, int64_t n_out, int64_t length, const nn_conv_options *options,
                               ag_error *error) {
    return conv_new(&conv_transpose1d, n_in, n_out, &length, options, error);
}
