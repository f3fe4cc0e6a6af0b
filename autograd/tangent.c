/* tangent: what a forward rule sees (ag_forward) and what becomes of what it gives.
 *
 * It reads operands and outputs through the view a recorded reverse rule has of the record, so both kinds of rules keep
 * one contract. Tangents are ordinary values and add up by ag_add. */
#include "ops.h"
#include "tape_impl.h"

ag_status agx_run_forward_rule(ag_forward *f) { return f->reading.op->jvp(f); }

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

uint32_t ag_forward_count(const ag_forward *f) { return f->reading.in.n; }
const void *ag_forward_attrs(const ag_forward *f) { return f->reading.attrs; }
const ag_op *ag_forward_op(const ag_forward *f) { return f->reading.op; }
ag_tape *ag_forward_tape(const ag_forward *f) { return f->reading.t; }
const ag_meta *ag_primal_in_meta(const ag_forward *f, uint32_t i) { return ag_in_meta(&f->reading, i); }
const ag_meta *ag_primal_out_meta(const ag_forward *f, uint32_t k) { return ag_out_meta(&f->reading, k); }
ag_value ag_primal_in(ag_forward *f, uint32_t i) { return ag_in(&f->reading, i); }
ag_value ag_primal_out(ag_forward *f, uint32_t k) { return ag_out(&f->reading, k); }

bool ag_has_tangent(const ag_forward *f, uint32_t i) {
    const ag_reverse *r = &f->reading;
    return i < r->in.n && ag_op_grad(r->op, i) != AG_GRAD_ZERO && f->tangent[agx_operand(&r->in, i)] != 0;
}

ag_value ag_tangent(ag_forward *f, uint32_t i) {
    const ag_reverse *r = &f->reading;
    if (i >= r->in.n) return agx_failed(r->t);
    const uint32_t id = agx_operand(&r->in, i);
    return ag_has_tangent(f, i) ? agx_handle(r->t, f->tangent[id]) : agx_full_like(agx_handle(r->t, id), 0);
}

/* ---- giving ------------------------------------------------------------------------------------------------------------ */

/* v in the dtype and shape of the output it is for; a scalar of the strip takes any value of rank 0. */
static ag_value fit(const ag_reverse *r, uint32_t id, ag_value v) {
    const ag_meta *want = agx_meta_at(r->t, id);
    v = ag_cast(v, want->dtype);
    if (!v.id || ag_meta_same_shape(want, agx_meta_at(r->t, v.id))) return v;
    const ag_meta *both[2] = {want, agx_meta_at(r->t, v.id)};
    ag_meta out;
    if (ag_broadcast(both, 2, &out, NULL) == AG_OK && ag_meta_same_shape(&out, want))
        return ag_expand(v, want->rank, want->dim);
    agx_operation_error(r->t, r->op, (const ag_value[]){agx_handle(r->t, id), v}, 2, AG_ERROR_SHAPE,
                        "its rule gave a tangent that does not fit the result");
    return agx_failed(r->t);
}

void ag_give_tangent(ag_forward *f, uint32_t k, ag_value v) {
    const ag_reverse *r = &f->reading;
    ag_tape *t = r->t;
    if (k >= r->op->outputs || !ag_dtype_is_float(agx_meta_at(t, r->id + k)->dtype)) return;
    if (agx_check_operands(t, r->op->name, &v, 1) != AG_OK) {
        /* a rule that gives a failed value without any failure on the tape would go unnoticed */
        if (!t->failed) agx_operation_error(t, r->op, NULL, 0, AG_ERROR_FAILED, "its rule gave a failed value");
        return;
    }
    v = fit(r, r->id + k, v);
    uint32_t *sum = &f->tangent[r->id + k];
    if (v.id && *sum) v = ag_add(agx_handle(t, *sum), v);
    if (v.id) *sum = v.id;
}
