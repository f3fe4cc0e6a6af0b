/* random_graph: drawing operands, and the steps that a graph is made of. */
#include "random_graph.h"

#include <autograd/tape_impl.h>
#include <math.h>
#include <string.h>

enum { VALUES = 160, LARGEST = 120 };

/* A graph while it is built. */
typedef struct draw {
    random_graph *g;
    ag_tape *t;
    ag_random r;
    ag_value v[VALUES];
    int n;
} draw;

/* Check's own assertions each write to a file, which takes longer than building the graph. */
static void must(bool good, const char *what) {
    if (!good) ck_abort_msg("not so: %s", what);
}

static int below(draw *d, int n) { return (int)ag_random_below(&d->r, (uint64_t)n); }
static const ag_meta *meta_of(ag_value x) {
    const ag_meta *meta = ag_meta_of(x);
    if (!meta) ck_abort_msg("%s", ag_tape_message(x.tape));
    return meta;
}
static int64_t size_of(ag_value x) { return ag_meta_count(meta_of(x)); }
static int64_t product(int rank, const int64_t *dim) {
    int64_t n = 1;
    for (int k = 0; k < rank; k++) n *= dim[k];
    return n;
}

/* An operation was recorded: count it. */
static ag_value counted(draw *d, ag_value x) {
    d->g->operations++;
    return x;
}

/* A decision that depends on numbers is made once, where the graph stands first. */
static bool decide(draw *d, bool now) {
    must(d->g->n_choices < GRAPH_CHOICES, "d->g->n_choices fits");
    bool *kept = &d->g->choice[d->g->n_choices++];
    if (!d->g->settled) *kept = now;
    return *kept;
}

/* Do all elements lie in (low, high), and none of them around zero? */
static bool lies_in(draw *d, ag_value x, double low, double high, bool not_zero) {
    double values[GRAPH_ROOT];
    const int64_t n = size_of(x);
    if (d->g->settled) return false; /* not looked at */
    must(n <= GRAPH_ROOT, "n fits");
    must(ag_read_f64(x, values, n) == AG_OK, "numbers are read");
    for (int64_t i = 0; i < n; i++)
        if (!(values[i] > low && values[i] < high) || (not_zero && fabs(values[i]) < 0.2)) return false;
    return true;
}

static ag_value pick(draw *d) { return d->v[below(d, 2) ? d->n - 1 : below(d, d->n)]; }

static void push(draw *d, ag_value x) {
    const bool finite = decide(d, lies_in(d, x, -1e6, 1e6, false));
    const bool small = decide(d, lies_in(d, x, -4, 4, false));
    if (!finite) return; /* a branch that nothing uses */
    if (size_of(x) > LARGEST) x = counted(d, ag_mean_all(x));
    if (!small) x = counted(d, ag_mul_number(counted(d, ag_tanh(counted(d, ag_mul_number(x, 0.25)))), 2));
    must(d->n < VALUES, "d->n fits");
    d->v[d->n++] = x;
}

/* ---- operands of a shape, in a domain ------------------------------------------------------------------------------ */

static ag_value fit(draw *d, ag_value x, int rank, const int64_t *dim) {
    const int64_t want = product(rank, dim);
    if (size_of(x) == 0 && want > 0) x = d->g->leaf[below(d, 2)];
    const ag_meta *meta = meta_of(x);
    const int64_t have = ag_meta_count(meta);
    if (meta->rank == rank && memcmp(meta->dim, dim, (size_t)rank * sizeof *dim) == 0) return x;
    if (meta->rank == 0) return counted(d, ag_expand(x, rank, dim));
    if (have != want) {
        x = counted(d, ag_reshape(x, 1, &have));
        double index[GRAPH_ROOT];
        must(want <= GRAPH_ROOT, "want fits");
        const int64_t shift = want < have ? below(d, (int)(have - want) + 1) : 0;
        for (int64_t i = 0; i < want; i++) index[i] = (double)ag_random_below(&d->r, (uint64_t)have);
        x = counted(d, want < have && below(d, 2)
                           ? ag_slice(x, 0, shift, shift + want, 1)
                           : ag_index_select(x, 0, ag_array_constant(d->t, AG_I64, 1, &want, index)));
    }
    return meta_of(x)->rank == 1 && rank == 1 ? x : counted(d, ag_reshape(x, rank, dim));
}

/* x, or its image, in [low, high]. avoid: around numbers that are away from zero and from each other - part `part` of
 * `parts` of a grid is this operand's. */
static ag_value place(draw *d, ag_value x, double low, double high, uint32_t avoid, int part, int parts) {
    const double margin = 0.05 * (high - low), middle = 0.5 * (low + high);
    if (decide(d, !(avoid & AG_AVOID_TIES) && lies_in(d, x, low + margin, high - margin, avoid & AG_AVOID_ZERO)))
        return x;
    if (!avoid) {
        x = counted(d, ag_tanh(counted(d, ag_mul_number(x, 0.5))));
        x = counted(d, ag_mul_number(x, 0.5 * (high - low)));
        return middle == 0 ? x : counted(d, ag_add_number(x, middle));
    }
    const ag_meta *meta = meta_of(x);
    const int64_t n = ag_meta_count(meta);
    double at[GRAPH_ROOT];
    int64_t cell[GRAPH_ROOT];
    must(n <= GRAPH_ROOT, "n fits");
    const double wide = (high - low) / (double)(n ? n : 1);
    ag_random_permutation(&d->r, cell, n);
    for (int64_t i = 0; i < n; i++) {
        at[i] = low + wide * ((double)cell[i] + (part + 1.0) / (parts + 1));
        if (avoid & AG_AVOID_ZERO && low < 0 && high > 0) at[i] += at[i] < 0 ? -0.2 : 0.2;
    }
    const double reach = avoid & AG_AVOID_TIES ? 0.3 * wide / (parts + 1) : 0.1;
    x = counted(d, ag_mul_number(counted(d, ag_tanh(x)), reach));
    if (meta->rank == 0) return counted(d, ag_add_number(x, at[0]));
    return counted(d, ag_add(x, ag_array_constant(d->t, AG_F64, meta->rank, meta->dim, at)));
}

/* A matrix that is far from singular: its diagonal rules. */
static ag_value place_matrix(draw *d, ag_value x) {
    const ag_meta *meta = meta_of(x);
    const int64_t n = ag_meta_count(meta), side = meta->dim[meta->rank - 1];
    double at[GRAPH_ROOT];
    for (int64_t i = 0; i < n; i++) at[i] = i / side % side == i % side ? 1.5 : 0;
    x = counted(d, ag_mul_number(counted(d, ag_tanh(x)), 0.4));
    return counted(d, ag_add(x, ag_array_constant(d->t, AG_F64, meta->rank, meta->dim, at)));
}

static bool is_named(const ag_op *op, const char *const *names) {
    for (; *names; names++)
        if (strcmp(op->name, *names) == 0) return true;
    return false;
}

/* ---- steps --------------------------------------------------------------------------------------------------------------- */

bool random_graph_draws(const ag_op *op) {
    if (op->traits & AG_TRAIT_LEAF || op->max_in == 0 || !op->probe) return false;
    for (uint32_t i = 0; i < 16 && i < op->max_in; i++)
        if (ag_op_grad(op, i) == AG_GRAD_RULE) return true;
    return false;
}

static void domain_of(const ag_probe *probe, const ag_probe_input *p, int i, double *low, double *high) {
    const int k = i < 2 ? i : 2;
    const bool own = p->lo != 0 || p->hi != 0, given = probe->lo[k] != 0 || probe->hi[k] != 0;
    *low = own ? p->lo : given ? probe->lo[k] : p->dtype == AG_BOOL ? 0 : -2;
    *high = own ? p->hi : given ? probe->hi[k] : p->dtype == AG_BOOL ? 1 : 2;
}

/* An elementwise row of values as they are: scalars stay on the strip, arrays broadcast. */
static void step_elementwise(draw *d, const ag_op *op) {
    ag_value in[3];
    for (int i = 0; i < (int)op->min_in; i++) {
        const ag_probe *probe = op->probe;
        in[i] = pick(d);
        if (i > 0) {
            const ag_meta *meta[2] = {meta_of(in[0]), meta_of(in[i])};
            ag_meta both;
            ag_error error;
            const bool fits = ag_broadcast(meta, 2, &both, &error) == AG_OK && ag_meta_count(&both) <= LARGEST;
            if (!fits || below(d, 4) == 0) {
                int64_t dim[AG_MAX_RANK];
                const int drop = meta[0]->rank ? below(d, meta[0]->rank + 1) : 0, rank = meta[0]->rank - drop;
                for (int k = 0; k < rank; k++) dim[k] = below(d, 3) ? meta[0]->dim[k + drop] : 1;
                in[i] = fit(d, in[i], rank, dim);
            }
        }
        double low, high;
        domain_of(probe, &(ag_probe_input){.dtype = AG_F64}, i, &low, &high);
        in[i] = place(d, in[i], low, high, probe->avoid, i, (int)op->min_in);
    }
    if (op->min_in == 2 && op->probe->avoid & AG_AVOID_TIES)
        in[1] = fit(d, in[1], meta_of(in[0])->rank, meta_of(in[0])->dim);
    push(d, counted(d, ag_elementwise((uint32_t)(op - agx_elementwise_ops), in, op->min_in,
                                      op->n_fields ? op->probe->sample : 0)));
}

/* Any row as one of its probe's cases has it. */
static void step_case(draw *d, const ag_op *op) {
    static const char *const of_matrices[] = {"inverse", "solve", "det", "cofactors", "slogdet", NULL};
    const ag_probe_case *c = &op->probe->cases[below(d, (int)op->probe->n_cases)];
    ag_value in[AG_PROBE_INPUTS];
    for (uint32_t i = 0; i < c->n_in; i++) {
        const ag_probe_input *p = &c->in[i];
        double low, high, values[GRAPH_ROOT];
        domain_of(op->probe, p, (int)i, &low, &high);
        const bool whole = !ag_dtype_is_float(p->dtype);
        if (!whole && ag_op_grad(op, i) == AG_GRAD_RULE) {
            in[i] = fit(d, pick(d), p->rank, p->dim);
            in[i] = i == 0 && is_named(op, of_matrices)
                        ? place_matrix(d, in[i])
                        : place(d, in[i], low, high, op->probe->avoid, (int)i, (int)c->n_in);
            continue;
        }
        const int64_t n = product(p->rank, p->dim);
        must(n <= GRAPH_ROOT, "n fits");
        for (int64_t k = 0; k < n; k++)
            values[k] = whole ? low + (double)ag_random_below(&d->r, (uint64_t)(high - low) + 1)
                              : low + (high - low) * ag_random_uniform(&d->r);
        in[i] = ag_array_constant(d->t, p->dtype, p->rank, p->dim, values);
    }
    const ag_value first = counted(d, ag_apply(d->t, op, in, c->n_in, c->attrs));
    for (uint32_t k = 0; k < op->outputs; k++) {
        const ag_value y = ag_output(first, k);
        if (ag_dtype_is_float(meta_of(y)->dtype) && size_of(y) <= GRAPH_ROOT) push(d, y);
    }
}

/* A value that sweeps must not look behind. Central differences would: so it stays what it was where the graph stood
 * first. */
static ag_value held(draw *d, ag_value x) {
    random_graph *g = d->g;
    const ag_meta *meta = meta_of(x);
    const int64_t n = ag_meta_count(meta);
    double *kept = g->frozen + g->n_frozen;
    const bool detached = below(d, 2);
    g->n_frozen += (int)n;
    must(g->n_frozen <= GRAPH_FROZEN, "g->n_frozen fits");
    if (g->settled) return ag_array_constant(d->t, AG_F64, meta->rank, meta->dim, kept);
    must(ag_read_f64(x, kept, n) == AG_OK, "numbers are read");
    if (detached) return ag_detach(x);
    ag_no_grad_begin(d->t);
    x = ag_add_number(x, 0);
    ag_no_grad_end(d->t);
    return x;
}

/* Operations of shapes and axes that are drawn. */
static void step_free(draw *d) {
    ag_value x = pick(d), y = pick(d), z;
    if (size_of(x) == 0) x = d->v[below(d, 2)];
    if (meta_of(x)->rank == 0 && below(d, 3))
        x = counted(d, ag_expand(x, 2, (const int64_t[]){1 + below(d, 3), 1 + below(d, 3)}));
    const ag_meta *meta = meta_of(x);
    const int rank = meta->rank, axis = rank ? below(d, rank) : 0, other = rank ? below(d, rank) : 0;
    const int axes[2] = {axis, other}, n_axes = rank && axis != other ? 1 + below(d, 2) : rank ? 1 : 0;
    const int64_t size = rank ? meta->dim[axis] : 1;
    const bool keepdim = below(d, 2);
    ag_value out[3];
    if (rank == 0) {
        switch (below(d, 5)) {
        case 0: z = ag_affine((const ag_value[]){x, y}, (const ag_value[]){d->v[0], x}, 2, d->v[1]); break;
        case 1: z = ag_mul(x, held(d, y)); break;
        case 2: z = ag_stack((const ag_value[]){x, d->v[0], x}, 3, 0); break;
        case 3: z = ag_add(x, x); break;
        default: z = ag_unsqueeze(x, 0); break;
        }
        push(d, counted(d, z));
        return;
    }
    switch (below(d, 28)) {
    case 0: z = ag_sum(x, axes, n_axes, keepdim); break;
    case 1: z = ag_mean(x, axes, n_axes, keepdim); break;
    case 2: z = ag_prod(x, axes, n_axes, keepdim); break;
    case 3: z = ag_logsumexp(x, axes, n_axes, keepdim); break;
    case 4: z = ag_sum_squares(x, axes, n_axes, keepdim); break;
    case 5: z = ag_var(x, axes, n_axes, keepdim, 0); break;
    case 6: z = ag_softmax(x, axis); break;
    case 7: z = ag_log_softmax(x, axis); break;
    case 8: z = ag_cumsum(x, axis); break;
    case 9: z = ag_cumprod(x, axis); break;
    case 10: z = ag_transpose(x, axis, other); break;
    case 11: z = ag_flip(x, axes, n_axes); break;
    case 12: z = ag_roll(x, (const int64_t[]){below(d, 5) - 2}, axes, 1); break;
    case 13: z = ag_select(x, axis, below(d, (int)size)); break;
    case 14: z = ag_slice(x, axis, below(d, (int)size), size, 1 + below(d, 2)); break;
    case 15: z = rank < 4 ? ag_unsqueeze(x, below(d, rank + 1)) : ag_flatten(x, 1, 2); break;
    case 16: z = rank < 4 ? ag_stack((const ag_value[]){x, x}, 2, below(d, rank + 1)) : ag_mean_all(x); break;
    case 17: z = ag_cat((const ag_value[]){x, fit(d, y, rank, meta->dim)}, 2, axis); break;
    case 18: z = ag_pad(x, (const int64_t[]){below(d, 2), below(d, 3)}, 2, 0.5); break;
    case 19: z = ag_repeat_interleave(x, 1 + below(d, 2), axis); break;
    case 20:
        z = ag_index_select(x, axis,
                            ag_array_constant(d->t, AG_I64, 1, (const int64_t[]){3},
                                              (const double[]){below(d, (int)size), 0, below(d, (int)size)}));
        break;
    case 21: z = ag_matmul(x, fit(d, y, 2, (const int64_t[]){meta->dim[rank - 1], 1 + below(d, 3)})); break;
    case 22: z = ag_matmul(fit(d, y, 1, &meta->dim[rank > 1 ? rank - 2 : 0]), x); break;
    case 23:
        y = fit(d, y, 2, (const int64_t[]){2, meta->dim[rank - 1]});
        z = ag_linear(x, y, fit(d, d->v[2], 1, (const int64_t[]){2}));
        break;
    case 24:
        x = fit(d, x, 3, (const int64_t[]){2, 1 + below(d, 3), 3});
        z = ag_einsum("bij,kj->bik", (const ag_value[]){x, fit(d, y, 2, (const int64_t[]){2, 3})}, 2);
        break;
    case 25: z = ag_mul(x, held(d, x)); break;
    case 26: z = ag_layer_norm(x, 1, fit(d, y, 1, &meta->dim[rank - 1]), (ag_value){0}, 0.1); break;
    default:
        if (size < 2) {
            z = ag_neg(x);
            break;
        }
        must(ag_split_sizes(x, (const int64_t[]){1, size - 1}, 2, axis, out) == 2, "there are two parts");
        push(d, out[0]);
        z = out[1];
        break;
    }
    push(d, counted(d, z));
}

/* ---- the graph ------------------------------------------------------------------------------------------------------------ */

void random_graph_draw(random_graph *g, uint64_t seed) {
    uint8_t *drawn = g->drawn;
    memset(g, 0, sizeof *g);
    g->seed = seed;
    g->drawn = drawn;
    ag_random r = {.seed = seed, .counter = 1u << 30};
    for (int i = 0; i < GRAPH_LEAVES; i++) {
        g->rank[i] = i < 2 ? 0 : (int)ag_random_below(&r, 5);
        for (int k = 0; k < g->rank[i]; k++) {
            g->dim[i][k] = 1 + (int64_t)ag_random_below(&r, 3);
            if (i == 4 && ag_random_below(&r, 40) == 0) g->dim[i][k] = 0;
        }
        g->count[i] = product(g->rank[i], g->dim[i]);
        random_values(&r, g->x[i], g->count[i], -1.5, 1.5, 0);
    }
}

/* Operands are fitted, in up to 3 operations, and placed, in up to 4; each output is reduced or squashed, in up to 4. */
static int most_operations(const ag_op *op) {
    uint32_t n = op->probe->n_cases ? 0 : op->min_in;
    for (uint32_t c = 0; c < op->probe->n_cases; c++)
        if (op->probe->cases[c].n_in > n) n = op->probe->cases[c].n_in;
    return 7 * (int)n + 1 + 4 * op->outputs;
}

static uint32_t rows(void) {
    static uint32_t n;
    while (ag_op_at(n)) n++;
    return n;
}

void random_graph_build(random_graph *g, ag_tape *t, double v[][GRAPH_LEAF], double step) {
    draw d = {.g = g, .t = t, .r = {.seed = g->seed}};
    g->n_choices = g->n_frozen = g->operations = 0;
    for (int i = 0; i < GRAPH_LEAVES; i++) {
        double x[GRAPH_LEAF];
        for (int64_t k = 0; k < g->count[i]; k++) x[k] = g->x[i][k] + (step != 0 ? step * v[i][k] : 0);
        g->leaf[i] = i < 2 ? ag_scalar(t, x[0]) : ag_array_leaf(t, AG_F64, g->rank[i], g->dim[i], x);
        d.v[d.n++] = g->leaf[i];
    }
    /* Consecutive seeds go through the registry, so that a few hundred graphs draw from every row. */
    const int most = 5 + below(&d, 42);
    for (uint32_t k = 0; g->operations < most; k++) {
        const uint32_t row = (uint32_t)((g->seed + 97u * k) % rows());
        const ag_op *op = ag_op_at(row);
        if (k % 3 == 2 || !random_graph_draws(op) || g->operations + most_operations(op) > 60) {
            step_free(&d);
            continue;
        }
        if (g->drawn) g->drawn[row] = 1;
        if (op->probe->n_cases == 0)
            step_elementwise(&d, op);
        else
            step_case(&d, op);
    }
    g->n_roots = 1 + below(&d, GRAPH_ROOTS);
    for (int j = 0; j < g->n_roots; j++) {
        g->root[j] = d.v[j == 0 ? d.n - 1 : below(&d, d.n)];
        const ag_meta *meta = meta_of(g->root[j]);
        const int64_t n = ag_meta_count(meta);
        double w[GRAPH_ROOT];
        for (int64_t i = 0; i < n; i++) w[i] = 2 * ag_random_uniform(&d.r) - 1;
        g->cotangent[j] =
            meta->rank == 0 ? ag_number(g->root[j], w[0]) : ag_array_constant(t, AG_F64, meta->rank, meta->dim, w);
    }
    g->settled = true;
}
