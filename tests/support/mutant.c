/* mutant: see mutant.h. Here: derivative rules. The generated instances of elementwise rows: mutant_rows.c. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "mutant_impl.h"

/* ---- what is known -------------------------------------------------------------------------------------------------- */

enum {
    MOST = 1 << 15,
    DEEPEST = 48,
    OPERANDS = 4
}; /* mutants; operations and operands of a rule that are told apart */

typedef struct table {
    mutant v[MOST];
    uint32_t slot[4 * MOST]; /* by hash: 1 + index into v, 0 none */
    size_t n;
} table;
static table *known;
static bool watching;
static mutant chosen;

/* The library's own operations, in their order; the fused neuron, which has no row, comes after them. */
static const ag_op *catalogue[1024];
static uint32_t operations;

static uint32_t position(const ag_op *op) {
    uint32_t i = 0;
    while (i < operations && catalogue[i] != op) i++;
    return i;
}

static bool ours(const ag_op *op) { return position(op) < operations || strcmp(op->name, "affine") == 0; }

void mutant_choose(const mutant *m) {
    chosen = m ? *m : (mutant){0};
    mutant_choose_row(&chosen);
}

bool mutant_is(mutant_place place, mutant_mode mode, const ag_op *op) {
    return chosen.op == op && op && chosen.place == place && chosen.mode == mode;
}

static bool same(const mutant *a, const mutant *b) {
    return a->op == b->op && a->applied == b->applied && a->place == b->place && a->mode == b->mode &&
           a->change == b->change && a->index == b->index;
}

void mutant_note(mutant m) {
    size_t h = (size_t)m.op / 8 * 31 + (size_t)m.applied / 8;
    h = ((h * 31 + m.place) * 31 + m.mode) * 31 + m.change;
    h = (h * 31 + m.index) * 0x9e3779b97f4a7c15u >> 40;
    for (;; h++) {
        uint32_t *slot = &known->slot[h % (4 * MOST)];
        if (*slot && same(&known->v[*slot - 1], &m)) return;
        if (*slot) continue;
        if (known->n == MOST || !ours(m.op) || (m.applied && !ours(m.applied))) return; /* a test's own */
        known->v[known->n++] = m;
        *slot = (uint32_t)known->n;
        return;
    }
}

/* ---- a rule that runs ------------------------------------------------------------------------------------------------ */

typedef struct rule {
    const ag_op *op;
    mutant_mode mode;
    uint32_t about;           /* 1 + the operand it asked for last; 0: none yet */
    uint32_t terms, answers;  /* so far; terms: for that operand */
    uint32_t given[OPERANDS]; /* ids */
    bool aside;               /* what is recorded now is not the rule's */
    bool strip;               /* an operand is a scalar of the strip: some terms are pushed inline, unseen */
    struct rule *outer;
} rule;
static _Thread_local rule *running;

/* The recorded rule of an elementwise row and its forward rule are one piece of text. */
static mutant_mode term_mode(void) {
    const bool row = running->op >= agx_elementwise_ops && running->op < agx_elementwise_ops + AGX_ROW_COUNT;
    return row && running->mode == MUTANT_PUSHED ? MUTANT_RECORDED : running->mode;
}

static void note_here(mutant_place place, const ag_op *applied, uint32_t index, mutant_change change) {
    const mutant_mode mode = place == MUTANT_TERM ? term_mode() : running->mode;
    mutant_note((mutant){running->op, applied, place, mode, change, index});
}

static bool on_strip(const ag_reverse *r) {
    for (uint32_t i = 0; i < r->in.n; i++)
        if (!agx_is_wide(agx_entry(r->t, agx_operand(&r->in, i)))) return true;
    return false;
}

ag_status __real_agx_run_rule(ag_reverse *r);
ag_status __wrap_agx_run_rule(ag_reverse *r);
ag_status __wrap_agx_run_rule(ag_reverse *r) {
    const mutant_mode mode = r->recorded ? MUTANT_RECORDED : MUTANT_SWEPT;
    rule here = {.op = r->op, .mode = mode, .strip = on_strip(r), .outer = running};
    running = &here;
    const ag_status status = __real_agx_run_rule(r);
    running = here.outer;
    return status;
}

ag_status __real_agx_run_forward_rule(ag_forward *f);
ag_status __wrap_agx_run_forward_rule(ag_forward *f);
ag_status __wrap_agx_run_forward_rule(ag_forward *f) {
    rule here = {.op = f->reading.op, .mode = MUTANT_PUSHED, .strip = on_strip(&f->reading), .outer = running};
    running = &here;
    const ag_status status = __real_agx_run_forward_rule(f);
    running = here.outer;
    return status;
}

/* Rules ask before they compute: what they record afterwards is for that operand. */
static bool asked(const ag_op *op, uint32_t i, bool wanted) {
    if (!running || running->op != op || running->aside || !wanted) return wanted;
    running->about = 1 + i;
    running->terms = 0;
    return true;
}

bool __real_ag_wants(ag_reverse *r, uint32_t i);
bool __wrap_ag_wants(ag_reverse *r, uint32_t i);
bool __wrap_ag_wants(ag_reverse *r, uint32_t i) { return asked(r->op, i, __real_ag_wants(r, i)); }

bool __real_ag_has_tangent(const ag_forward *f, uint32_t i);
bool __wrap_ag_has_tangent(const ag_forward *f, uint32_t i);
bool __wrap_ag_has_tangent(const ag_forward *f, uint32_t i) {
    return asked(f->reading.op, i, __real_ag_has_tangent(f, i));
}

/* ---- what it gives ----------------------------------------------------------------------------------------------------- */

/* Can operands i and i + 1 be given what is for the other? */
static bool exchangeable(ag_reverse *r, uint32_t i) {
    const ag_meta *x = ag_in_meta(r, i), *y = ag_in_meta(r, i + 1);
    return x && y && ag_meta_same_shape(x, y) && __real_ag_wants(r, i) && __real_ag_wants(r, i + 1);
}

static void note_given(ag_reverse *r, uint32_t i, ag_value v) {
    if (i >= OPERANDS || !__real_ag_wants(r, i)) return;
    note_here(MUTANT_GIVE, NULL, i, MUTANT_NEGATED);
    note_here(MUTANT_GIVE, NULL, i, MUTANT_DROPPED);
    running->given[i] = v.id;
    /* where both are given one and the same value, the change is none */
    if (i > 0 && running->given[i - 1] && running->given[i - 1] != v.id && exchangeable(r, i - 1))
        note_here(MUTANT_GIVE, NULL, i - 1, MUTANT_SWAPPED);
}

void __real_ag_give(ag_reverse *r, uint32_t i, ag_value v);
void __wrap_ag_give(ag_reverse *r, uint32_t i, ag_value v);
void __wrap_ag_give(ag_reverse *r, uint32_t i, ag_value v) {
    rule *here = running;
    here->aside = true;
    if (watching) note_given(r, i, v);
    if (mutant_is(MUTANT_GIVE, here->mode, r->op)) {
        const uint32_t k = chosen.index;
        if (chosen.change == MUTANT_NEGATED && i == k) v = ag_neg(v);
        if (chosen.change == MUTANT_SWAPPED && (i == k || i == k + 1) && exchangeable(r, k))
            i = i == k ? k + 1 : k;
        if (chosen.change == MUTANT_DROPPED && i == k) {
            r->t->aim = NULL;
            here->aside = false;
            return;
        }
    }
    __real_ag_give(r, i, v);
    here->aside = false;
}

void __real_ag_give_tangent(ag_forward *f, uint32_t k, ag_value v);
void __wrap_ag_give_tangent(ag_forward *f, uint32_t k, ag_value v);
void __wrap_ag_give_tangent(ag_forward *f, uint32_t k, ag_value v) {
    rule *here = running;
    if (!here || here->mode != MUTANT_PUSHED) { /* of no rule: the row itself, or its reverse rule transposed */
        __real_ag_give_tangent(f, k, v);
        return;
    }
    const uint32_t answer = here->answers++;
    here->aside = true;
    if (watching && answer < OPERANDS) {
        note_here(MUTANT_TANGENT, NULL, answer, MUTANT_NEGATED);
        note_here(MUTANT_TANGENT, NULL, answer, MUTANT_DROPPED);
    }
    const bool mutated = mutant_is(MUTANT_TANGENT, MUTANT_PUSHED, here->op) && chosen.index == answer;
    if (mutated && chosen.change == MUTANT_NEGATED) v = ag_neg(v);
    if (!mutated || chosen.change != MUTANT_DROPPED) __real_ag_give_tangent(f, k, v);
    here->aside = false;
}

/* ---- what it records --------------------------------------------------------------------------------------------------- */

ag_value __real_ag_apply(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs);
ag_value __wrap_ag_apply(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs);

static bool named(const ag_op *op, const char *const *names) {
    for (; *names; names++)
        if (strcmp(op->name, *names) == 0) return true;
    return false;
}

/* What stands for a term or factor that is gone. */
static double neutral(const ag_op *op) {
    return named(op, (const char *const[]){"mul", "div", "logical_and", NULL}) ? 1 : 0;
}

/* Is v a number of the program's text, and this one? */
static bool is_number(ag_value v, double c) {
    const ag_meta *meta = ag_meta_of(v);
    if (!meta || meta->rank > 0) return false;
    const agx_record *r = agx_record_of(v.tape, v.id);
    const ag_entry *e = agx_entry(v.tape, v.id);
    if (!r) return (e->op & AGX_STRIP_CODE) == AGX_STRIP_CONSTANT && e->v == c;
    return r->op == &agx_op_constant && agx_load(r->data, meta->dtype, 0) == c;
}

static void note_term(const ag_op *op, const ag_value *in, uint32_t n, ag_value y, uint32_t k) {
    static const char *const movers[] = {"transpose", "permute", "flip",    "tril",    "triu",
                                         "roll",      "cumsum",  "cumprod", "softmax", NULL};
    static const char *const pairs[] = {"add", "sub", "mul", "div", "logical_and", NULL};
    static const char *const ordered[] = {"sub", "div", "pow", "atan2", "xlogy",  "fmod", "remainder",
                                          "lt",  "le",  "gt",  "ge",    "matmul", NULL};
    const bool where = strcmp(op->name, "where") == 0;
    if (named(op, pairs) || where) {
        const uint32_t first = where;
        if (!is_number(in[first], neutral(op))) note_here(MUTANT_TERM, op, k, MUTANT_FIRST_GONE);
        if (!is_number(in[first + 1], neutral(op))) note_here(MUTANT_TERM, op, k, MUTANT_SECOND_GONE);
    }
    if ((named(op, ordered) && in[0].id != in[1].id) || where) note_here(MUTANT_TERM, op, k, MUTANT_SWAPPED);
    if (named(op, (const char *const[]){"eq", "ne", NULL})) note_here(MUTANT_TERM, op, k, MUTANT_OPPOSITE);
    if (!ag_dtype_is_float(ag_meta_of(y)->dtype)) return;
    if (n == 1 && (op->traits & AG_TRAIT_ELEMENTWISE || named(op, movers)))
        note_here(MUTANT_TERM, op, k, MUTANT_IDENTITY);
    /* the sign of a sum's term, a factor's, a branch's is the sign of another operation's value */
    if (!named(op, pairs) && !where && !(op->traits & AG_TRAIT_VIEW) && strcmp(op->name, "neg") != 0)
        note_here(MUTANT_TERM, op, k, MUTANT_NEGATED);
}

static ag_value mutated_term(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs) {
    const bool where = strcmp(op->name, "where") == 0;
    ag_value other[3] = {{0}};
    for (uint32_t i = 0; i < n && i < 3; i++) other[i] = in[i];
    switch (chosen.change) {
    case MUTANT_NEGATED: return ag_neg(__real_ag_apply(t, op, in, n, attrs));
    case MUTANT_IDENTITY: return in[0];
    case MUTANT_OPPOSITE:
        return __real_ag_apply(t, ag_op_find(strcmp(op->name, "eq") == 0 ? "ne" : "eq"), in, n, attrs);
    case MUTANT_SWAPPED:
        other[where] = in[where + 1];
        other[where + 1] = in[where];
        break;
    case MUTANT_FIRST_GONE: other[where] = agx_full_like(in[where], neutral(op)); break;
    case MUTANT_SECOND_GONE: other[where + 1] = agx_full_like(in[where + 1], neutral(op)); break;
    case MUTANT_DROPPED: break;
    }
    return __real_ag_apply(t, op, other, n, attrs);
}

static bool is_term(const ag_op *op, uint32_t k) {
    return mutant_is(MUTANT_TERM, term_mode(), running->op) && chosen.applied == op && chosen.index == k;
}

ag_value __wrap_ag_apply(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs) {
    if (mutant_is(MUTANT_FORWARD, MUTANT_ALWAYS, op)) return ag_neg(__real_ag_apply(t, op, in, n, attrs));
    rule *here = running;
    /* conversions come and go with the dtypes and strides of a case, and are no terms */
    static const char *const conversions[] = {"cast", "contiguous", NULL};
    if (!here || here->aside || here->strip || op->compose || named(op, conversions))
        return __real_ag_apply(t, op, in, n, attrs);
    const uint32_t k = here->about * DEEPEST + here->terms++;
    ag_value y;
    if (!is_term(op, k)) {
        y = __real_ag_apply(t, op, in, n, attrs);
        if (watching && y.id && here->terms <= DEEPEST && here->about <= OPERANDS && op->outputs == 1)
            note_term(op, in, n, y, k);
        return y;
    }
    here->aside = true;
    y = mutated_term(t, op, in, n, attrs);
    here->aside = false;
    return y;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------------- */

bool mutant_watch(void) {
    for (const ag_op *op; operations < 1024 && (op = ag_op_at(operations)); operations++)
        catalogue[operations] = op;
    known = mmap(NULL, sizeof *known, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (known == MAP_FAILED) return false;
    watching = true;
    for (uint32_t i = 0; i < operations; i++)
        if (strstr(catalogue[i]->name, "_grad") && catalogue[i]->outputs == 1 && !catalogue[i]->compose)
            mutant_note((mutant){catalogue[i], NULL, MUTANT_FORWARD, MUTANT_ALWAYS, MUTANT_NEGATED, 0});
    mutant_note_rows();
    return true;
}

static int difference(const void *a, const void *b) {
    const mutant *m = a, *o = b;
    const uint32_t p = position(m->op), q = position(o->op);
    if (p != q) return p < q ? -1 : 1;
    if (m->place != o->place) return m->place < o->place ? -1 : 1;
    if (m->mode != o->mode) return m->mode < o->mode ? -1 : 1;
    if (m->index != o->index) return m->index < o->index ? -1 : 1;
    if (m->change != o->change) return m->change < o->change ? -1 : 1;
    return m->applied && o->applied ? strcmp(m->applied->name, o->applied->name) : 0;
}

const mutant *mutant_all(size_t *n) {
    watching = false;
    qsort(known->v, known->n, sizeof known->v[0], difference);
    *n = known->n;
    return known->v;
}

const char *mutant_equivalent(const mutant *m) {
    const char *const *partials = m->op->partials;
    const bool term = m->place == MUTANT_TERM, turned = m->change == MUTANT_NEGATED || m->change == MUTANT_DROPPED;
    if (partials && m->op->max_in == 1 && strcmp(partials[0], "0") == 0 && (turned || term))
        return "the derivative is 0, and so is what the mistake makes of it";
    return NULL;
}

char *mutant_name(const mutant *m, char text[MUTANT_NAME]) {
    static const char *const modes[] = {", swept", ", recorded", ", pushed", ", f32", ", f64", ""};
    static const char *const changes[] = {"sign flipped", "dropped",     "swapped",         "left out",
                                          "first gone",   "second gone", "condition turned"};
    static const char *const parts[] = {"weights", "inputs", "bias"};
    char place[80];
    switch (m->place) {
    case MUTANT_GIVE: snprintf(place, sizeof place, "adjoint of operand %u", m->index); break;
    case MUTANT_TERM:
        if (m->index < DEEPEST)
            snprintf(place, sizeof place, "term %u (%.40s)", m->index, m->applied->name);
        else
            snprintf(place, sizeof place, "term %u of operand %u (%.40s)", m->index % DEEPEST,
                     m->index / DEEPEST - 1, m->applied->name);
        break;
    case MUTANT_TANGENT: snprintf(place, sizeof place, "answer %u", m->index); break;
    case MUTANT_SWEEP: snprintf(place, sizeof place, "scalar sweep, operand %u", m->index); break;
    case MUTANT_AFFINE: snprintf(place, sizeof place, "scalar sweep, %s", parts[m->index]); break;
    case MUTANT_KERNEL: snprintf(place, sizeof place, "kernel, operand %u", m->index); break;
    case MUTANT_FORWARD: snprintf(place, sizeof place, "value"); break;
    }
    snprintf(text, MUTANT_NAME, "%.40s: %s%s: %s", m->op->name, place, modes[m->mode], changes[m->change]);
    return text;
}
