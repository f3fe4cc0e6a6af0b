/* mutant_rows: mistakes in the generated instances of elementwise rows - the cases of the scalar sweep and the fused
 * kernels - and in the sweep of the fused neuron. The third instance, the recorded rule, is a rule like any other
 * (mutant.c). */
#include <string.h>

#include "mutant_impl.h"

static mutant chosen;

/* An adjoint that is dz itself has no kernel. */
#define IS_DZ(text) (sizeof(text) == 3 && (text)[0] == 'd' && (text)[1] == 'z')
static const bool has_kernel[AGX_ROW_COUNT][2] = {
#define ROW(name, arity, number, ints, keeps, z, dx, dy, ...) {!IS_DZ(#dx), arity == 2 && !IS_DZ(#dy)},
#include "../../autograd/ops/elementwise.def"
#undef ROW
};

void mutant_note_rows(void) {
    static const ag_op affine = {.name = "affine"};
    for (uint32_t row = 0; row < AGX_ROW_COUNT; row++) {
        const ag_op *op = &agx_elementwise_ops[row];
        for (uint32_t i = 0; i < op->min_in; i++) {
            for (mutant_change change = MUTANT_NEGATED; change <= MUTANT_DROPPED; change++) {
                mutant_note((mutant){op, NULL, MUTANT_SWEEP, MUTANT_ALWAYS, change, i});
                if (!has_kernel[row][i]) continue;
                mutant_note((mutant){op, NULL, MUTANT_KERNEL, MUTANT_F32, change, i});
                mutant_note((mutant){op, NULL, MUTANT_KERNEL, MUTANT_F64, change, i});
            }
        }
        if (op->min_in < 2 || (!has_kernel[row][0] && !has_kernel[row][1])) continue;
        mutant_note((mutant){op, NULL, MUTANT_SWEEP, MUTANT_ALWAYS, MUTANT_SWAPPED, 0});
        if (!has_kernel[row][0] || !has_kernel[row][1]) continue;
        mutant_note((mutant){op, NULL, MUTANT_KERNEL, MUTANT_F32, MUTANT_SWAPPED, 0});
        mutant_note((mutant){op, NULL, MUTANT_KERNEL, MUTANT_F64, MUTANT_SWAPPED, 0});
    }
    for (uint32_t part = 0; part < 3; part++)
        for (mutant_change change = MUTANT_NEGATED; change <= MUTANT_DROPPED; change++)
            mutant_note((mutant){&affine, NULL, MUTANT_AFFINE, MUTANT_ALWAYS, change, part});
    mutant_note((mutant){&affine, NULL, MUTANT_AFFINE, MUTANT_ALWAYS, MUTANT_SWAPPED, 0});
}

/* ---- kernels --------------------------------------------------------------------------------------------------------- */

static agx_loop *right; /* the kernel that the mistake stands for */

#define MISTAKES(type)                                                                                            \
    static void negated_##type(int64_t n, const void *const *in, const int *inc, void *z, double c) {             \
        type *to = z;                                                                                             \
        right(n, in, inc, z, c);                                                                                  \
        for (int64_t i = 0; i < n; i++) to[i] = -to[i];                                                           \
    }                                                                                                             \
    static void dropped_##type(int64_t n, const void *const *in, const int *inc, void *z, double c) {             \
        type *to = z;                                                                                             \
        (void)in, (void)inc, (void)c;                                                                             \
        for (int64_t i = 0; i < n; i++) to[i] = 0;                                                                \
    }
MISTAKES(float)
MISTAKES(double)
#undef MISTAKES

/* The table in force, with the mistake in it: tests that force one of their own choice get the mistake, too. */
void __real_agx_vector_force(const agx_vectors *table);
void __wrap_agx_vector_force(const agx_vectors *table);
void __wrap_agx_vector_force(const agx_vectors *table) {
    static agx_vectors wrong;
    agx_loop *const negated[2] = {negated_float, negated_double}, *const dropped[2] = {dropped_float,
                                                                                       dropped_double};
    __real_agx_vector_force(table);
    if (!chosen.op || chosen.place != MUTANT_KERNEL) return;
    wrong = *agx_vector_table();
    const size_t row = (size_t)(chosen.op - agx_elementwise_ops);
    const int dtype = chosen.mode == MUTANT_F64;
    agx_loop **dx = &wrong.dx[row][dtype], **dy = &wrong.dy[row][dtype], **z = chosen.index == 0 ? dx : dy;
    right = *z;
    if (chosen.change == MUTANT_SWAPPED) {
        *dx = *dy;
        *dy = right;
    } else {
        *z = chosen.change == MUTANT_NEGATED ? negated[dtype] : dropped[dtype];
    }
    __real_agx_vector_force(&wrong);
}

void mutant_choose_row(const mutant *m) {
    chosen = *m;
    __wrap_agx_vector_force(NULL);
}

/* ---- the scalar sweep -------------------------------------------------------------------------------------------------- */

static double changed(double d, uint32_t operand) {
    if (operand != chosen.index) return d;
    return chosen.change == MUTANT_NEGATED ? -d : 0;
}

void __real_agx_sweep_scalar(ag_tape *t, uint32_t id);
void __wrap_agx_sweep_scalar(ag_tape *t, uint32_t id);
void __wrap_agx_sweep_scalar(ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    const uint32_t row = e->op & AGX_STRIP_CODE;
    if (agx_is_wide(e) || row >= AGX_ROW_COUNT ||
        !mutant_is(MUTANT_SWEEP, MUTANT_ALWAYS, &agx_elementwise_ops[row]) ||
        (chosen.op->min_in == 2 && e->a == e->u.b)) { /* x * x: the two are one */
        __real_agx_sweep_scalar(t, id);
        return;
    }
    double none = 0, *dx = agx_adjoint(t, e->a), *dy = chosen.op->min_in == 2 ? agx_adjoint(t, e->u.b) : &none;
    const double x_before = *dx, y_before = *dy;
    *dx = *dy = 0;
    __real_agx_sweep_scalar(t, id);
    const double x_part = *dx, y_part = *dy;
    const bool swapped = chosen.change == MUTANT_SWAPPED;
    *dx = x_before + (swapped ? y_part : changed(x_part, 0));
    *dy = y_before + (swapped ? x_part : changed(y_part, 1));
}

uint32_t __real_agx_scalar_sweep(ag_tape *t, uint32_t id);
uint32_t __wrap_agx_scalar_sweep(ag_tape *t, uint32_t id);
uint32_t __wrap_agx_scalar_sweep(ag_tape *t, uint32_t id) {
    if (!chosen.op || chosen.place != MUTANT_SWEEP) return __real_agx_scalar_sweep(t, id);
    for (; id > 0 && !(agx_entry(t, id)->op & (AG_WIDE | AGX_STRIP_HOOK)); id--) __wrap_agx_sweep_scalar(t, id);
    return id;
}

void __real_agx_sweep_affine(const ag_tape *t, const agx_affine *a, double dz);
void __wrap_agx_sweep_affine(const ag_tape *t, const agx_affine *a, double dz);
void __wrap_agx_sweep_affine(const ag_tape *t, const agx_affine *a, double dz) {
    __real_agx_sweep_affine(t, a, dz);
    if (!chosen.op || chosen.place != MUTANT_AFFINE) return;
    const double much = chosen.change == MUTANT_NEGATED ? -2 * dz : -dz; /* what is taken away again */
    if (chosen.index == 2) *agx_adjoint(t, a->bias) += much;
    for (uint32_t i = 0; i < a->n && chosen.index < 2; i++) {
        const uint32_t w = a->even ? a->first[0] + i * a->step[0] : a->id[2 * i],
                       x = a->even ? a->first[1] + i * a->step[1] : a->id[2 * i + 1];
        const double w_value = agx_entry(t, w)->v, x_value = agx_entry(t, x)->v;
        if (chosen.change == MUTANT_SWAPPED) {
            *agx_adjoint(t, w) += dz * (w_value - x_value);
            *agx_adjoint(t, x) += dz * (x_value - w_value);
        } else if (chosen.index == 0) {
            *agx_adjoint(t, w) += much * x_value;
        } else {
            *agx_adjoint(t, x) += much * w_value;
        }
    }
}
