/* clip: sums and products over the one gradient buffer behind a slab. Padding is zero and changes nothing.
 *
 * Sums are in f64, in the order of the elements: the same bits every time. */
#include "../clip.h"

#include "../param_impl.h"

#include <float.h>
#include <math.h>

static double element(ag_dtype dtype, const void *g, int64_t i) {
    return dtype == AG_F32 ? (double)((const float *)g)[i] : ((const double *)g)[i];
}

static double largest(ag_dtype dtype, const void *g, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = fabs(element(dtype, g, i));
        if (!(x <= most)) most = x; /* NaN, too, and then it stays */
        if (isnan(most)) break;
    }
    return most;
}

/* (sum |g / unit|^order)^(1/order) unit. */
static double norm_in(ag_dtype dtype, const void *g, int64_t n, double order, double unit) {
    double sum = 0;
    if (order == 2) {
        for (int64_t i = 0; i < n; i++) {
            const double x = element(dtype, g, i) / unit;
            sum += x * x;
        }
        return sqrt(sum) * unit;
    }
    for (int64_t i = 0; i < n; i++) sum += pow(fabs(element(dtype, g, i) / unit), order);
    return pow(sum, 1 / order) * unit;
}

ag_status nn_grad_norm(nn_params *p, double order, double *norm, ag_error *error) {
    if (!(order > 0)) return ag_fail(error, AG_ERROR_VALUE, "nn_grad_norm: order %g; needs one above 0", order);
    const ag_tensor *gradient;
    ag_status status = nnx_params_gradient(p, &gradient, error);
    if (status) return status;
    const ag_dtype dtype = ag_tensor_meta(gradient)->dtype;
    const void *g = ag_tensor_data(gradient);
    const int64_t n = ag_tensor_count(gradient);
    if (isinf(order)) {
        *norm = largest(dtype, g, n);
        return AG_OK;
    }
    *norm = norm_in(dtype, g, n, order, 1);
    const double most = pow(1e280, 1 / order);
    if (!isnan(*norm) && !(*norm > 1 / most && *norm < most)) { /* powers that may not have fitted */
        const double unit = largest(dtype, g, n);
        if (unit > 0 && isfinite(unit)) *norm = norm_in(dtype, g, n, order, unit);
    }
    return AG_OK;
}

static void scale(ag_tensor *gradient, double factor) {
    const int64_t n = ag_tensor_count(gradient);
    if (ag_tensor_meta(gradient)->dtype == AG_F32) {
        float *g = ag_tensor_write(gradient);
        for (int64_t i = 0; i < n; i++) g[i] = (float)(g[i] * factor);
    } else {
        double *g = ag_tensor_write(gradient);
        for (int64_t i = 0; i < n; i++) g[i] *= factor;
    }
}

ag_status nn_clip_norm(nn_params *p, double most, double order, double *norm, ag_error *error) {
    if (!(most >= 0))
        return ag_fail(error, AG_ERROR_VALUE, "nn_clip_norm: bound %g; needs one of at least 0", most);
    double total;
    ag_status status = nn_grad_norm(p, order, &total, error);
    if (status) return status;
    if (norm) *norm = total;
    if (!isfinite(total))
        return ag_fail(error, AG_ERROR_NONFINITE, "nn_clip_norm: the norm of the gradients is %g", total);
    const double factor = most / (total + 1e-6);
    if (factor < 1) scale(nnx_params_gradients(p), factor);
    return AG_OK;
}

ag_status nn_clip_value(nn_params *p, double most, ag_error *error) {
    if (!(most >= 0))
        return ag_fail(error, AG_ERROR_VALUE, "nn_clip_value: bound %g; needs one of at least 0", most);
    const ag_tensor *current;
    ag_status status = nnx_params_gradient(p, &current, error);
    if (status) return status;
    ag_tensor *gradient = nnx_params_gradients(p);
    const int64_t n = ag_tensor_count(gradient);
    if (ag_tensor_meta(gradient)->dtype == AG_F32) {
        const float bound = isinf(most) ? INFINITY : (float)fmin(most, FLT_MAX);
        float *g = ag_tensor_write(gradient);
        for (int64_t i = 0; i < n; i++) g[i] = g[i] > bound ? bound : g[i] < -bound ? -bound : g[i];
    } else {
        double *g = ag_tensor_write(gradient);
        for (int64_t i = 0; i < n; i++) g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];
    }
    return AG_OK;
}

ag_status nn_grad_scale(nn_params *p, double factor, ag_error *error) {
    if (!isfinite(factor)) return ag_fail(error, AG_ERROR_VALUE, "nn_grad_scale: factor %g is not finite", factor);
    const ag_tensor *current;
    ag_status status = nnx_params_gradient(p, &current, error);
    if (!status) scale(nnx_params_gradients(p), factor);
    return status;
}
