/* position: encodings of where in a sequence something stands, added to it. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>

/* T of x (..., T, features); -1, and an error on the tape, where x does not fit. */
static int64_t steps_of(const nn_module *m, nn_pass *pass, ag_value x, int64_t max_steps, int64_t features) {
    const ag_meta *meta = ag_meta_of(x);
    char text[AG_META_TEXT];
    if (meta && ag_dtype_is_float(meta->dtype) && meta->rank >= 2 && meta->dim[meta->rank - 2] <= max_steps &&
        meta->dim[meta->rank - 1] == features)
        return meta->dim[meta->rank - 2];
    (void)ag_tape_fail(pass->tape, meta ? AG_ERROR_SHAPE : AG_ERROR_FAILED,
                       "%s: needs floats (..., T, %" PRId64 ") with T at most %" PRId64 ", got %s", m->type,
                       features, max_steps, meta ? ag_meta_text(meta, text, sizeof text) : "a failed value");
    return -1;
}

/* ---- sinusoidal: a table made once, in f64 ----------------------------------------------------------------- */

typedef struct sinusoidal {
    nn_module base;
    ag_tensor *table; /* (max_steps, features) f64 */
} sinusoidal;

static ag_value sinusoidal_forward(nn_module *m, nn_pass *pass, ag_value x) {
    const ag_tensor *table = ((sinusoidal *)m)->table;
    const ag_meta *meta = ag_tensor_meta(table);
    const int64_t steps = steps_of(m, pass, x, meta->dim[0], meta->dim[1]);
    if (steps < 0) return (ag_value){.tape = pass->tape};
    const ag_value part = ag_slice(ag_constant(pass->tape, table), 0, 0, steps, 1);
    return ag_add(x, ag_cast(part, ag_meta_of(x)->dtype));
}

static void sinusoidal_destroy(nn_module *m) { ag_tensor_free(((sinusoidal *)m)->table); }

nn_module *nn_sinusoidal_encoding(int64_t max_steps, int64_t features, ag_error *error) {
    sinusoidal *s = nn_module_new(sizeof *s, "sinusoidal_encoding", sinusoidal_forward, error);
    if (!s) return NULL;
    s->base.destroy = sinusoidal_destroy;
    s->table = ag_tensor_new(AG_F64, 2, (const int64_t[]){max_steps, features}, error);
    if (!s->table) return nn_module_free_null(&s->base);
    double *to = ag_tensor_write(s->table);
    for (int64_t t = 0; t < max_steps; t++)
        for (int64_t i = 0; i < features; i++) {
            const double angle = (double)t * pow(10000, -(double)(i / 2 * 2) / (double)features);
            *to++ = i % 2 ? cos(angle) : sin(angle);
        }
    return &s->base;
}

/* ---- learned: a table among the parameters ------------------------------------------------------------------- */

typedef struct learned {
    nn_module base;
    nn_param *weight; /* (max_steps, features) */
} learned;

static ag_value learned_forward(nn_module *m, nn_pass *pass, ag_value x) {
    nn_param *weight = ((learned *)m)->weight;
    const int64_t steps = steps_of(m, pass, x, weight->dim[0], weight->dim[1]);
    if (steps < 0) return (ag_value){.tape = pass->tape};
    return ag_add(x, ag_slice(nn_use(pass, weight), 0, 0, steps, 1));
}

nn_module *nn_learned_encoding(int64_t max_steps, int64_t features, nn_init init, ag_error *error) {
    learned *l = nn_module_new(sizeof *l, "learned_encoding", learned_forward, error);
    if (!l) return NULL;
    l->weight = nn_module_param(&l->base, "weight", 2, (const int64_t[]){max_steps, features}, init, error);
    return l->weight ? &l->base : nn_module_free_null(&l->base);
}
