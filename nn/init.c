/* init: initial values of parameters.
 *
 * Most kinds are either a constant, a uniform draw between two bounds or a normal draw, perhaps truncated, with a mean
 * and a deviation; `spread` reduces a kind to one of them, and one loop fills. Draws go element by element through one
 * stream, so a tensor's numbers depend on the generator's position and its shape alone. Then a row or the diagonal is
 * set apart. Not here: matrices drawn as a whole (init_orthogonal.c). */
#include "init.h"

#include "init_impl.h"

#include <math.h>

nn_init nn_init_constant(double value) { return (nn_init){NN_INIT_CONSTANT, value, 0}; }
nn_init nn_init_uniform(double low, double high) { return (nn_init){NN_INIT_UNIFORM, low, high}; }
nn_init nn_init_normal(double mean, double deviation) { return (nn_init){NN_INIT_NORMAL, mean, deviation}; }
nn_init nn_init_gaussian(void) { return (nn_init){NN_INIT_GAUSSIAN_FAN, 0, 0}; }
nn_init nn_init_xavier_uniform(double gain) { return (nn_init){NN_INIT_XAVIER_UNIFORM, gain, 0}; }
nn_init nn_init_xavier_normal(double gain) { return (nn_init){NN_INIT_XAVIER_NORMAL, gain, 0}; }
nn_init nn_init_he_uniform(void) { return nn_init_he_uniform_with(0, false); }
nn_init nn_init_he_normal(void) { return nn_init_he_normal_with(0, false); }
nn_init nn_init_he_uniform_with(double slope, bool fan_out) {
    return (nn_init){NN_INIT_HE_UNIFORM, 2 / (1 + slope * slope), fan_out};
}
nn_init nn_init_he_normal_with(double slope, bool fan_out) {
    return (nn_init){NN_INIT_HE_NORMAL, 2 / (1 + slope * slope), fan_out};
}
nn_init nn_init_fan_uniform(int64_t fan) { return (nn_init){NN_INIT_FAN_UNIFORM, 0, (double)fan}; }
nn_init nn_init_standard_gaussian(void) { return nn_init_normal(0, 1); }
nn_init nn_init_lecun_uniform(void) { return (nn_init){NN_INIT_LECUN_UNIFORM, 0, 0}; }
nn_init nn_init_lecun_normal(void) { return (nn_init){NN_INIT_LECUN_NORMAL, 0, 0}; }
nn_init nn_init_truncated_normal(double mean, double deviation) {
    return (nn_init){NN_INIT_TRUNCATED, mean, deviation};
}
nn_init nn_init_embedding(int64_t padding_row) { return (nn_init){NN_INIT_EMBEDDING, (double)padding_row, 0}; }
nn_init nn_init_orthogonal(double gain) { return (nn_init){NN_INIT_ORTHOGONAL, gain, 0}; }
nn_init nn_init_identity(void) { return (nn_init){NN_INIT_IDENTITY, 1, 0}; }

typedef struct spread {
    enum { CONSTANT, UNIFORM, NORMAL, TRUNCATED } draw;
    double a, b; /* the value; bounds; mean and deviation */
} spread;

/* A weight (n_out, n_in, window...): fans count the window's elements. */
static void fans(const ag_meta *meta, double *fan_in, double *fan_out) {
    if (meta->rank < 2) {
        *fan_in = *fan_out = meta->rank == 1 ? (double)meta->dim[0] : 1;
        return;
    }
    double window = 1;
    for (int k = 2; k < meta->rank; k++) window *= (double)meta->dim[k];
    *fan_in = (double)meta->dim[1] * window;
    *fan_out = (double)meta->dim[0] * window;
}

static ag_status reduce(nn_init init, const ag_meta *meta, spread *s, ag_error *error) {
    double fan_in, fan_out;
    fans(meta, &fan_in, &fan_out);
    if (!isfinite(init.a) || !isfinite(init.b))
        return ag_fail(error, AG_ERROR_VALUE, "initialiser: numbers %g and %g must be finite", init.a, init.b);
    double bound;
    switch (init.kind) {
    case NN_INIT_CONSTANT: *s = (spread){CONSTANT, init.a, 0}; return AG_OK;
    case NN_INIT_UNIFORM:
        if (init.b < init.a || isinf(init.b - init.a))
            return ag_fail(error, AG_ERROR_VALUE, "initialiser: uniform from %g to %g", init.a, init.b);
        *s = (spread){UNIFORM, init.a, init.b};
        return AG_OK;
    case NN_INIT_NORMAL:
    case NN_INIT_TRUNCATED:
        if (init.b < 0) return ag_fail(error, AG_ERROR_VALUE, "initialiser: standard deviation %g", init.b);
        *s = (spread){init.kind == NN_INIT_NORMAL ? NORMAL : TRUNCATED, init.a, init.b};
        return AG_OK;
    case NN_INIT_EMBEDDING: *s = (spread){NORMAL, 0, 1}; return AG_OK;
    case NN_INIT_IDENTITY:
        if (meta->rank != 2)
            return ag_fail(error, AG_ERROR_SHAPE, "initialiser: an identity of rank %d; needs a matrix",
                           (int)meta->rank);
        *s = (spread){CONSTANT, 0, 0};
        return AG_OK;
    case NN_INIT_GAUSSIAN_FAN: *s = (spread){NORMAL, 0, 1 / sqrt(fan_in + 1)}; return AG_OK;
    case NN_INIT_XAVIER_NORMAL: *s = (spread){NORMAL, 0, init.a * sqrt(2 / (fan_in + fan_out))}; return AG_OK;
    case NN_INIT_LECUN_NORMAL: *s = (spread){NORMAL, 0, sqrt(1 / fan_in)}; return AG_OK;
    case NN_INIT_LECUN_UNIFORM: bound = sqrt(3 / fan_in); break;
    case NN_INIT_XAVIER_UNIFORM: bound = init.a * sqrt(6 / (fan_in + fan_out)); break;
    case NN_INIT_HE_NORMAL:
    case NN_INIT_HE_UNIFORM:
        if (init.a < 0) return ag_fail(error, AG_ERROR_VALUE, "initialiser: variance %g / fan", init.a);
        bound = sqrt((init.kind == NN_INIT_HE_NORMAL ? 1 : 3) * init.a / (init.b != 0 ? fan_out : fan_in));
        if (init.kind == NN_INIT_HE_UNIFORM) break;
        *s = (spread){NORMAL, 0, bound};
        return AG_OK;
    case NN_INIT_FAN_UNIFORM:
        if (init.b < 0) return ag_fail(error, AG_ERROR_VALUE, "initialiser: fan %g", init.b);
        bound = init.b > 0 ? 1 / sqrt(init.b) : 0;
        break;
    default: return ag_fail(error, AG_ERROR_VALUE, "initialiser: unknown kind %d", (int)init.kind);
    }
    *s = (spread){UNIFORM, -bound, bound};
    return AG_OK;
}

static double draw(const spread *s, ag_random *random) {
    if (s->draw == UNIFORM) return s->a + (s->b - s->a) * ag_random_uniform(random);
    if (s->draw == CONSTANT) return s->a;
    double z = ag_random_normal(random);
    while (s->draw == TRUNCATED && fabs(z) > 2) z = ag_random_normal(random);
    return s->a + s->b * z;
}

/* The diagonal of an identity; zeros in the row of the padding. */
static void set_apart(nn_init init, const ag_meta *meta, ag_tensor *x) {
    if (init.kind == NN_INIT_IDENTITY)
        for (int64_t i = 0; i < meta->dim[0] && i < meta->dim[1]; i++)
            (void)ag_tensor_set(x, i * meta->dim[1] + i, init.a);
    if (init.kind == NN_INIT_EMBEDDING && init.a >= 0 && meta->rank > 0 && init.a < (double)meta->dim[0]) {
        const int64_t width = ag_meta_count(meta) / meta->dim[0];
        for (int64_t i = 0; i < width; i++) (void)ag_tensor_set(x, (int64_t)init.a * width + i, 0);
    }
}

ag_status nn_init_fill(nn_init init, ag_tensor *x, ag_random *random, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(x);
    if (!ag_dtype_is_float(meta->dtype))
        return ag_fail(error, AG_ERROR_DTYPE, "initialiser: a tensor of %s; needs f32 or f64",
                       ag_dtype_name(meta->dtype));
    if (init.kind == NN_INIT_ORTHOGONAL) return nnx_init_orthogonal(init.a, x, random, error);
    spread s = {CONSTANT, 0, 0};
    ag_status status = reduce(init, meta, &s, error);
    if (status) return status;
    const int64_t n = ag_tensor_count(x);
    if (meta->dtype == AG_F32) {
        float *value = ag_tensor_write(x);
        for (int64_t i = 0; i < n; i++) value[i] = (float)draw(&s, random);
    } else {
        double *value = ag_tensor_write(x);
        for (int64_t i = 0; i < n; i++) value[i] = draw(&s, random);
    }
    set_apart(init, meta, x);
    return AG_OK;
}
