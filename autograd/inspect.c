/* inspect: copying a graph, and running its derivative rules with someone looking on.
 *
 * Three passes over ids, none of which recurses: downwards, what the root depends on; upwards, each record copied and
 * the rule of each small elementwise one run alone with an adjoint of ones, which gives its local derivatives; downwards,
 * the sweep itself, recorded past the tape's end. Every rule's records are rewound. As in a backward sweep, a scalar
 * whose adjoint is exactly zero passes nothing on. */
#include "inspect.h"

#include <math.h>
#include <string.h>

#include "ops.h"
#include "tape_impl.h"

enum { DEFAULT_ELEMENTS = 16 };

struct ag_inspection {
    agx_arena arena; /* everything below */
    ag_node *nodes;  /* (n), ascending ids */
    ag_scope *scopes;
    uint32_t n, n_scopes, root;
    const ag_contribution *sweep;
};

/* What lives only while an inspection is made. */
typedef struct work {
    agx_watch watch; /* first: the rules' answers come here */
    ag_tape *t;
    ag_inspection *seen;
    int64_t max_elements;
    uint32_t top;               /* the last id that may be selected               */
    uint8_t *selected, *needed; /* a bit per id: in the picture; differentiable   */
    uint32_t *adjoint;          /* id of the adjoint of each id, 0: none          */
    ag_node *node;              /* local pass: whose rule is running              */
    ag_edge *edges;             /* its edges                                      */
    ag_contribution *last;      /* of the sweep                                   */
    ag_contribution **last_to;  /* (n) the last contribution to each node         */
    bool no_memory;
} work;

static void *take(work *w, size_t n, size_t size) {
    size_t bytes;
    void *block = ag_size_mul(n, size, &bytes) ? agx_arena_take(&w->seen->arena, bytes ? bytes : 1, 8) : NULL;
    if (block) memset(block, 0, bytes);
    w->no_memory |= !block;
    return block;
}

static const char *copy_text(work *w, const char *text) {
    const char *copy = !text || !*text ? "" : agx_arena_string(&w->seen->arena, text);
    w->no_memory |= !copy;
    return copy ? copy : "";
}

static ag_node *find(const ag_inspection *seen, uint32_t id) {
    uint32_t low = 0, high = seen->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (seen->nodes[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < seen->n && seen->nodes[low].id == id ? &seen->nodes[low] : NULL;
}

/* ---- what is in the picture -------------------------------------------------------------------------------------- */

static uint32_t outputs_of(const agx_record *r) { return r && r->op->outputs ? r->op->outputs : 1; }

static void select_below(work *w, uint32_t root) {
    agx_set_bit(w->selected, root);
    for (uint32_t id = w->top; id > 0; id--) {
        if (!agx_bit(w->selected, id)) continue;
        const agx_record *r = agx_record_of(w->t, id);
        const uint32_t first = r ? id - r->k : id;
        for (uint32_t k = 0; k < outputs_of(r); k++) agx_set_bit(w->selected, first + k);
        agx_operands in;
        agx_operands_of(w->t, id, &in);
        for (uint32_t i = 0; i < in.n; i++) agx_set_bit(w->selected, agx_operand(&in, i));
    }
}

static void mark_differentiable(work *w) {
    for (uint32_t id = 1; id <= w->top; id++) {
        const ag_entry *e = agx_entry(w->t, id);
        const agx_record *r = agx_record_of(w->t, id);
        if (r ? (r->flags & AGX_LEAF) && (r->flags & AGX_NEEDS) : agx_is_scalar_leaf(e))
            agx_set_bit(w->needed, id);
    }
    agx_mark_dependents(w->t, w->needed, 1, w->top);
}

/* ---- names and scopes --------------------------------------------------------------------------------------------- */

/* The newest label of an id counts, and the list begins with the newest. */
static void copy_labels(work *w) {
    for (const agx_label *l = w->t->labels; l; l = l->previous) {
        ag_node *node = find(w->seen, l->id);
        if (node && !node->label) node->label = copy_text(w, l->text);
    }
    for (uint32_t i = 0; i < w->seen->n; i++) {
        ag_node *node = &w->seen->nodes[i];
        const agx_record *r = agx_record_of(w->t, node->id);
        const bool named = r && r->bound && r->op->traits & AG_TRAIT_LEAF;
        if (!node->label) node->label = copy_text(w, named ? ag_tensor_name(r->bound) : "");
    }
}

/* Scopes in the order in which they were opened. An event enters a child of the present scope or returns to its parent. */
static void copy_scopes(work *w) {
    uint32_t n_events = 0, n_scopes = 1, node = 0;
    for (const agx_scope_event *e = w->t->scope_events; e; e = e->previous) n_events++;
    const agx_scope_event **events = take(w, n_events, sizeof(*events));
    ag_scope *scopes = take(w, (size_t)n_events + 1, sizeof *scopes);
    if (!events || !scopes) return;
    uint32_t i = n_events;
    for (const agx_scope_event *e = w->t->scope_events; e; e = e->previous) events[--i] = e;
    scopes[0] = (ag_scope){.name = ""};
    const agx_scope *at = NULL;
    uint32_t index = 0;
    for (i = 0; i < n_events; i++) {
        for (; node < w->seen->n && w->seen->nodes[node].id < events[i]->id; node++)
            w->seen->nodes[node].scope = index;
        const agx_scope *to = events[i]->scope;
        if (to && to->parent == at) {
            scopes[n_scopes] = (ag_scope){.name = copy_text(w, to->name), .parent = index};
            index = n_scopes++;
        } else {
            index = scopes[index].parent;
        }
        at = to;
    }
    for (; node < w->seen->n; node++) w->seen->nodes[node].scope = index;
    w->seen->scopes = scopes;
    w->seen->n_scopes = n_scopes;
}

/* ---- records --------------------------------------------------------------------------------------------------------- */

static const double *copy_numbers(work *w, ag_value v) {
    const int64_t count = ag_meta_count(agx_meta_at(w->t, v.id));
    const agx_record *r = agx_record_of(w->t, v.id);
    if (count > w->max_elements || (r && !r->data)) return NULL; /* dropped by a recompute segment */
    double *numbers = take(w, (size_t)count, sizeof *numbers);
    if (numbers && ag_read_f64(v, numbers, count) != AG_OK)
        w->no_memory = true; /* all that can fail on a live value */
    return numbers;
}

/* The adjoint that the tape holds outside a sweep. */
static const double *copy_held_adjoint(work *w, uint32_t id) {
    const ag_entry *e = agx_entry(w->t, id);
    const agx_record *r = agx_record_of(w->t, id);
    const int64_t count = ag_meta_count(agx_meta_at(w->t, id));
    if (r ? !(r->flags & (AGX_LEAF | AGX_RETAIN)) : !agx_is_scalar_leaf(e) && !(e->op & AGX_STRIP_RETAIN))
        return NULL;
    const ag_tensor *gradient = r && r->bound ? agx_gradient_at(w->t, r->bound) : NULL;
    if (r && (r->flags & AGX_INVALID || (gradient && ag_tensor_grad_status(gradient) != AG_OK))) return NULL;
    if (count > w->max_elements) return NULL;
    double *numbers = take(w, (size_t)count, sizeof *numbers);
    if (numbers && ag_adjoint_f64(agx_handle(w->t, id), numbers, count) != AG_OK) w->no_memory = true;
    return numbers;
}

static void name_scalar(const ag_entry *e, ag_node *node) {
    const uint32_t code = e->op & AGX_STRIP_CODE;
    if (code < AGX_ROW_COUNT) {
        node->op = &agx_elementwise_ops[code];
        node->operation = node->op->name;
        node->formula = node->op->formula;
        node->has_number = node->op->attr_size > 0;
        if (node->has_number) node->number = e->u.c;
    } else if (code == AGX_STRIP_AFFINE) {
        node->operation = "affine";
        node->formula = "w_0 x_0 + w_1 x_1 + ... + b";
    } else {
        node->operation = node->formula = code == AGX_STRIP_LEAF ? "leaf" : "constant";
    }
}

static const char *partial_of(const ag_node *node, uint32_t i) {
    if (!node->op) return i + 1 == node->n_in ? "1" : i % 2 == 0 ? "x_i" : "w_i"; /* affine */
    if (!node->op->partials || i >= node->op->max_in) return NULL;
    return node->op->max_in == AG_VARIADIC ? node->op->partials[0] : node->op->partials[i];
}

/* What the forward of a record costs. A scalar is one operation; a neuron two for each of its products. */
static double cost_of(work *w, uint32_t id, const ag_node *node) {
    const agx_record *r = agx_record_of(w->t, id);
    agx_operands in;
    agx_operands_of(w->t, id, &in);
    if (node->output > 0) return 0;
    if (!r) return node->op ? 1 : in.n > 0 ? in.n - 1 : 0;
    if (r->op->traits & (AG_TRAIT_VIEW | AG_TRAIT_LEAF)) return 0;
    if (!r->op->cost) return r->op->traits & AG_TRAIT_ELEMENTWISE ? (double)ag_meta_count(&node->meta) : NAN;
    const ag_meta **metas = take(w, in.n, sizeof *metas);
    for (uint32_t i = 0; metas && i < in.n; i++) metas[i] = agx_meta_at(w->t, agx_operand(&in, i));
    return metas ? r->op->cost(&(const ag_query){r->op, metas, in.n, r->attrs, NULL}) : NAN;
}

static void copy_record(work *w, uint32_t id, ag_node *node) {
    const agx_record *r = agx_record_of(w->t, id);
    *node = (ag_node){.id = id, .meta = *agx_meta_at(w->t, id), .differentiable = agx_bit(w->needed, id)};
    if (r) {
        node->op = r->op;
        node->operation = r->op->name;
        node->formula = r->op->formula ? r->op->formula : "";
        node->output = r->k;
        if (r->op->n_fields == 1 && r->op->fields[0].kind == AG_FIELD_REAL && r->attrs) {
            node->has_number = true;
            memcpy(&node->number, (const char *)r->attrs + r->op->fields[0].offset, sizeof node->number);
        }
    } else {
        name_scalar(agx_entry(w->t, id), node);
    }
    node->cost = cost_of(w, id, node);
    agx_operands in;
    agx_operands_of(w->t, id, &in);
    node->n_in = in.n;
    ag_edge *edges = take(w, in.n, sizeof *edges);
    node->in = edges;
    for (uint32_t i = 0; edges && i < in.n; i++)
        edges[i] = (ag_edge){.id = agx_operand(&in, i), .partial = partial_of(node, i)};
    node->value = copy_numbers(w, agx_handle(w->t, id));
}

static void copy_records(work *w) {
    uint32_t n = 0;
    for (uint32_t id = 1; id <= w->top; id++) n += agx_bit(w->selected, id);
    w->seen->nodes = take(w, n, sizeof *w->seen->nodes);
    for (uint32_t id = 1; id <= w->top && !w->no_memory; id++)
        if (agx_bit(w->selected, id)) copy_record(w, id, &w->seen->nodes[w->seen->n++]);
    if (w->no_memory) return;
    copy_labels(w);
    copy_scopes(w);
}

/* ---- derivatives ------------------------------------------------------------------------------------------------------- */

static ag_value full_like(ag_tape *t, uint32_t id, double c) {
    const agx_record *r = agx_record_of(t, id);
    return r ? ag_full(t, r->meta.dtype, r->meta.rank, r->meta.dim, c) : ag_scalar_constant(t, c);
}

static void saw_local(agx_watch *watch, const ag_reverse *r, uint32_t i, ag_value raw, ag_value amount) {
    (void)amount;
    work *w = (work *)(void *)watch;
    const ag_meta *result = &w->node->meta;
    if (!ag_meta_same_shape(agx_meta_at(r->t, raw.id), result))
        raw = ag_mul(raw, full_like(r->t, r->id, 1)); /* a rule may give less and leave it to broadcasting */
    if (raw.id && ag_meta_same_shape(agx_meta_at(r->t, raw.id), result)) w->edges[i].local = copy_numbers(w, raw);
}

/* Each result element depends on one element of each operand: what a rule answers to ones are the local derivatives. */
static bool has_locals(const work *w, const ag_node *node) {
    if (!node->differentiable || node->n_in == 0 || node->output > 0) return false;
    if (ag_meta_count(&node->meta) > w->max_elements || (node->op && node->op->outputs > 1)) return false;
    if (!node->op || node->op->traits & AG_TRAIT_ELEMENTWISE) return true;
    if (ag_meta_count(&node->meta) != 1) return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (ag_meta_count(agx_meta_at(w->t, node->in[i].id)) != 1) return false;
    return true;
}

static ag_status run_local(work *w, ag_node *node) {
    const ag_mark here = ag_tape_mark(w->t);
    w->watch.gave = saw_local;
    w->node = node;
    w->edges = (ag_edge *)(uintptr_t)node->in; /* ours: copy_record took it */
    const ag_value ones = full_like(w->t, node->id, 1);
    w->adjoint[node->id] = ones.id;
    w->t->sweeping = true;
    if (ones.id) agx_record_rule(w->t, node->id, w->needed, w->adjoint, &w->watch);
    w->t->sweeping = false;
    w->adjoint[node->id] = 0;
    for (uint32_t i = 0; i < node->n_in; i++) w->adjoint[node->in[i].id] = 0;
    return ag_tape_rewind(w->t, here);
}

static void note_contribution(work *w, uint32_t to, uint32_t from, uint32_t operand, ag_value amount) {
    ag_node *node = find(w->seen, to);
    ag_contribution *c = node ? take(w, 1, sizeof *c) : NULL;
    if (!c) return;
    *c = (ag_contribution){.to = to, .from = from, .operand = operand, .amount = copy_numbers(w, amount)};
    c->sum = copy_numbers(w, agx_handle(w->t, w->adjoint[to]));
    node->adjoint = c->sum;
    ag_contribution **last_to = &w->last_to[node - w->seen->nodes];
    if (*last_to)
        (*last_to)->next = c;
    else
        node->contributions = c;
    if (w->last)
        w->last->then = c;
    else
        w->seen->sweep = c;
    *last_to = w->last = c;
}

static void saw_contribution(agx_watch *watch, const ag_reverse *r, uint32_t i, ag_value raw, ag_value amount) {
    (void)raw;
    note_contribution((work *)(void *)watch, agx_operand(&r->in, i), r->id, i, amount);
}

/* Does anything arrive at the outputs that begin with `node`? Exactly zero at a scalar does not count. */
static bool reached(const work *w, const ag_node *node) {
    const agx_record *r = agx_record_of(w->t, node->id);
    if (!r) {
        const uint32_t id = w->adjoint[node->id];
        return id && ag_item(agx_handle(w->t, id)) != 0;
    }
    for (uint32_t k = 0; k < outputs_of(r); k++)
        if (w->adjoint[node->id + k]) return true;
    return false;
}

static ag_status run_sweep(work *w, uint32_t root) {
    w->last_to = take(w, w->seen->n, sizeof *w->last_to);
    if (!w->last_to) return AG_ERROR_MEMORY;
    const ag_mark here = ag_tape_mark(w->t);
    w->watch.gave = saw_contribution;
    w->t->sweeping = true;
    const ag_value seed = full_like(w->t, root, 1);
    w->adjoint[root] = seed.id;
    if (seed.id) note_contribution(w, root, 0, 0, seed);
    for (uint32_t i = w->seen->n; i-- > 0 && !w->t->failed && !w->no_memory;) {
        const ag_node *node = &w->seen->nodes[i];
        if (!node->differentiable || node->output > 0 || !reached(w, node)) continue;
        agx_record_rule(w->t, node->id, w->needed, w->adjoint, &w->watch);
    }
    w->t->sweeping = false;
    return ag_tape_rewind(w->t, here);
}

static ag_status derive(work *w, uint32_t root) {
    ag_status status = AG_OK;
    for (uint32_t i = 0; i < w->seen->n && status == AG_OK; i++)
        if (has_locals(w, &w->seen->nodes[i])) status = run_local(w, &w->seen->nodes[i]);
    return status == AG_OK && !w->no_memory && agx_bit(w->needed, root) ? run_sweep(w, root) : status;
}

/* ---- the two ways in ----------------------------------------------------------------------------------------------------- */

static ag_inspection *inspection_new(work *w, ag_tape *t, uint32_t top, const ag_inspect_options *options,
                                     ag_error *error) {
    const size_t bytes = ((size_t)top + 4) / 8 + 1, ids = ((size_t)top + 4) * sizeof(uint32_t);
    *w = (work){.t = t, .top = top, .max_elements = options && options->max_elements ? options->max_elements : 0};
    if (w->max_elements <= 0) w->max_elements = DEFAULT_ELEMENTS;
    w->seen = ag_alloc_zeroed(sizeof *w->seen);
    if (w->seen) agx_arena_init(&w->seen->arena);
    w->selected = ag_alloc_zeroed(bytes);
    w->needed = ag_alloc_zeroed(bytes);
    w->adjoint = ag_alloc_zeroed(ids);
    w->no_memory = !w->seen || !w->selected || !w->needed || !w->adjoint;
    if (w->no_memory) ag_fail(error, AG_ERROR_MEMORY, "inspect: out of memory");
    return w->seen;
}

static ag_inspection *inspection_done(work *w, ag_status status, ag_error *error) {
    const size_t bytes = ((size_t)w->top + 4) / 8 + 1, ids = ((size_t)w->top + 4) * sizeof(uint32_t);
    ag_release(w->selected, bytes);
    ag_release(w->needed, bytes);
    ag_release(w->adjoint, ids);
    if (!w->no_memory && status == AG_OK) return w->seen;
    if (w->no_memory)
        ag_fail(error, AG_ERROR_MEMORY, "inspect: out of memory");
    else
        ag_fail(error, status, "inspect: %s", ag_tape_message(w->t));
    ag_inspection_free(w->seen);
    return NULL;
}

ag_inspection *ag_inspect(ag_value root, const ag_inspect_options *options, ag_error *error) {
    ag_tape *t = root.tape;
    const bool derivatives = !options || !options->values_only;
    if (!ag_ok(root)) {
        const bool failed = !t || root.id == 0;
        ag_fail(error, failed ? AG_ERROR_FAILED : AG_ERROR_STALE, "inspect: the root %s%s%s",
                failed ? "failed" : "was rewound", failed && t ? ": " : "", failed && t ? ag_tape_message(t) : "");
        return NULL;
    }
    if (derivatives && (t->failed || t->sweeping)) {
        ag_fail(error, t->failed ? t->error.status : AG_ERROR_STATE, "inspect: %s",
                t->failed ? t->error.message : "a sweep is running on this tape");
        return NULL;
    }
    const agx_record *r = agx_record_of(t, root.id);
    work w;
    ag_status status = AG_OK;
    inspection_new(&w, t, root.id - (r ? r->k : 0u) + outputs_of(r) - 1, options, error);
    if (!w.no_memory) {
        w.seen->root = root.id;
        select_below(&w, root.id);
        mark_differentiable(&w);
        copy_records(&w);
    }
    if (!w.no_memory && derivatives) {
        const bool anomaly = t->anomaly; /* a picture of infinities is what one wants to see then */
        ag_anomaly(t, false);
        status = derive(&w, root.id);
        ag_anomaly(t, anomaly);
    }
    return inspection_done(&w, status, error);
}

ag_inspection *ag_inspect_range(ag_tape *t, uint32_t first, uint32_t last, const ag_inspect_options *options,
                                ag_error *error) {
    if (!t) {
        ag_fail(error, AG_ERROR_FAILED, "inspect: there is no tape");
        return NULL;
    }
    if (last >= t->head.next) last = t->head.next - 1;
    work w;
    inspection_new(&w, t, last, options, error);
    if (!w.no_memory) {
        for (uint32_t id = first ? first : 1; id <= last; id++) agx_set_bit(w.selected, id);
        mark_differentiable(&w);
        copy_records(&w);
    }
    for (uint32_t i = 0; !w.no_memory && i < w.seen->n; i++)
        w.seen->nodes[i].adjoint = copy_held_adjoint(&w, w.seen->nodes[i].id);
    return inspection_done(&w, AG_OK, error);
}

void ag_inspection_free(ag_inspection *seen) {
    if (!seen) return;
    agx_arena_clear(&seen->arena);
    ag_release(seen, sizeof *seen);
}

/* ---- reading it ------------------------------------------------------------------------------------------------------------- */

uint32_t ag_inspection_count(const ag_inspection *seen) { return seen->n; }
const ag_node *ag_inspection_node(const ag_inspection *seen, uint32_t i) {
    return i < seen->n ? &seen->nodes[i] : NULL;
}
const ag_node *ag_inspection_find(const ag_inspection *seen, uint32_t id) { return find(seen, id); }
uint32_t ag_inspection_root(const ag_inspection *seen) { return seen->root; }
const ag_contribution *ag_inspection_sweep(const ag_inspection *seen) { return seen->sweep; }
uint32_t ag_inspection_scope_count(const ag_inspection *seen) { return seen->n_scopes; }
const ag_scope *ag_inspection_scope(const ag_inspection *seen, uint32_t i) {
    return i < seen->n_scopes ? &seen->scopes[i] : NULL;
}
