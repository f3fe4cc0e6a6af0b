/* conv: one constructor for all convolutions; a row says what each of them is. */
#include "conv.h"

#include "margin_impl.h"

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
    nn_padding_mode mode;
    int64_t low[2], high[2]; /* (axes) what the operation itself cannot pad */
    nn_param *weight;        /* (n_out, n_in / groups, window...); transposed: (n_in, n_out / groups, window...) */
    nn_param *bias;          /* (n_out), or NULL */
} conv;

static ag_value padded(const conv *c, ag_value x) {
    const int axes = c->kind->axes;
    const ag_meta *meta = ag_meta_of(x);
    int64_t zeros[4], any = 0;
    for (int k = 0; k < axes; k++) { /* ag_pad begins with the last axis */
        zeros[2 * k] = c->low[axes - 1 - k];
        zeros[2 * k + 1] = c->high[axes - 1 - k];
        any |= zeros[2 * k] | zeros[2 * k + 1];
    }
    if (!any || !meta || meta->rank <= axes) return x; /* a wrong rank is for the operation to refuse */
    if (c->mode == NN_PAD_ZEROS) return ag_pad(x, zeros, 2 * axes, 0);
    const int first = meta->rank - axes;
    for (int k = 0; k < axes; k++) x = nnx_margin(x, first + k, c->low[k], c->high[k], c->mode);
    return x;
}

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    conv *c = (conv *)m;
    const ag_value none = {0};
    x = padded(c, x);
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
    if ((unsigned)o->padding_mode > NN_PAD_CIRCULAR)
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: %d is no padding_mode", k->name, (int)o->padding_mode);
    if (k->transposed && (o->padding_mode != NN_PAD_ZEROS || o->same))
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: its padding is cut off, and has no mode", k->name);
    ag_status status = check_list(k, "stride", &o->stride, 1, error);
    if (!status) status = check_list(k, "padding", &o->padding, 0, error);
    if (!status) status = check_list(k, "dilation", &o->dilation, 1, error);
    if (!status) status = check_list(k, "output_padding", &o->output_padding, 0, error);
    if (status || !o->same) return status;
    bool strides = false;
    for (int i = 0; i < o->stride.n; i++) strides = strides || o->stride.v[i] != 1;
    if (!strides && !o->padding.n) return AG_OK;
    return ag_fail(error, AG_ERROR_VALUE, "nn_%s: same goes with %s", k->name,
                   strides ? "a stride of 1" : "no padding beside it");
}

/* Entry i of a list of none, one for all, or one an axis. */
static int64_t entry(const ag_ints *list, int i, int64_t usual) {
    return list->n == 0 ? usual : list->v[list->n == 1 ? 0 : i];
}

/* Who pads: the operation with zeros, the same on both sides; all else the layer. */
static ag_status set_padding(conv *c, const nn_conv_options *o, const int64_t *window, ag_error *error) {
    const int axes = c->kind->axes;
    bool even = true;
    for (int i = 0; i < axes; i++) {
        c->low[i] = c->high[i] = entry(&o->padding, i, 0);
        if (!o->same) continue;
        int64_t total;
        if (!ag_int_mul(window[i] - 1, entry(&o->dilation, i, 1), &total))
            return ag_fail(error, AG_ERROR_SHAPE, "nn_%s: too much padding", c->kind->name);
        c->low[i] = total / 2;
        c->high[i] = total - total / 2;
        even = even && c->low[i] == c->high[i];
    }
    c->mode = o->padding_mode;
    if (c->mode != NN_PAD_ZEROS || !even) return AG_OK;
    c->options.padding.n = axes;
    for (int i = 0; i < axes; i++) {
        c->options.padding.v[i] = c->low[i];
        c->low[i] = c->high[i] = 0;
    }
    return AG_OK;
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
    c->options = (ag_conv_options){
        .stride = o.stride, .dilation = o.dilation, .output_padding = o.output_padding, .groups = groups};
    if (set_padding(c, &o, window, error)) return nn_module_free_null(&c->base);

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
