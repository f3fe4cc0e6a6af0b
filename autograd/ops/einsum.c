/* einsum: Einstein's notation, taken apart into permutations, products and sums where it is called.
 *
 * Every operand becomes a term: a value, and for each of its axes a label. Repeated labels are taken as diagonals, axes of
 * size 1 that another operand has larger are squeezed away (they repeat), and terms are then contracted from left to
 * right. A label is summed over as soon as no later term and not the output has it. Axes under an ellipsis have labels
 * of their own, counted from the right.
 *
 * Left out: choosing the order of contraction. */
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LETTERS = 52, LABELS = LETTERS + AG_MAX_RANK, LIST_MOST = 2 * AG_MAX_RANK, EQUATION_SHOWN = 60 };

/** Labels in order; of a term, one for each axis of its value. */
typedef struct labels {
    int n;
    int8_t v[LIST_MOST];
} labels;

typedef struct term {
    ag_value value;
    labels axes;
} term;

typedef struct sum {
    ag_tape *t;
    const char *equation;
    const ag_value *in;
    int n;
    term *terms;  /* (n) */
    labels out;   /* of the result, once parsed or inferred */
    int ellipsis; /* axes under the widest ellipsis */
    int64_t size[LABELS];
    int left[LABELS]; /* terms not yet contracted that have the label */
    int seen[LABELS]; /* occurrences on the left of the arrow */
} sum;

static const ag_op einsum_name = {.name = "einsum", .formula = "einsum"};

static bool refuse(const sum *s, ag_status status, const char *message) {
    char text[240];
    snprintf(text, sizeof text, "'%.*s': %s", EQUATION_SHOWN, s->equation, message);
    agx_operation_error(s->t, &einsum_name, s->in, (uint32_t)s->n, status, text);
    return false;
}

/* ---- the equation ---------------------------------------------------------------------------------------------------- */

/* 'A' to 'Z' are 0 to 25 and 'a' to 'z' 26 to 51, the order of an implicit output; -1: not a letter. */
static int letter_label(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}
static char label_letter(int label) { return (char)(label < 26 ? 'A' + label : 'a' + label - 26); }

enum { ELLIPSIS = -1 };

/* One list of letters and at most one ellipsis, up to ',' or '->' or the end. Returns what follows it, or NULL. */
static const char *parse_list(sum *s, const char *at, const char *what, labels *out) {
    char text[120];
    bool dots = false;
    for (out->n = 0; *at && *at != ','; at++) {
        if (*at == ' ') continue;
        if (at[0] == '-' && at[1] == '>') break;
        int label = letter_label(*at);
        if (label < 0) {
            if (strncmp(at, "...", 3) != 0 || dots) {
                snprintf(text, sizeof text,
                         dots ? "%s: only one ellipsis may stand there"
                              : "%s: only letters and '...' may stand there",
                         what);
                refuse(s, AG_ERROR_VALUE, text);
                return NULL;
            }
            dots = true;
            label = ELLIPSIS;
            at += 2;
        }
        if (out->n == LIST_MOST) {
            snprintf(text, sizeof text, "%s: too many letters", what);
            refuse(s, AG_ERROR_SHAPE, text);
            return NULL;
        }
        out->v[out->n++] = (int8_t)label;
    }
    return at;
}

/* Labels for the axes under an ellipsis of `count` axes, counted from the right; the list grows by count - 1. */
static void open_ellipsis(labels *list, int at, int count) {
    memmove(list->v + at + count, list->v + at + 1, (size_t)(list->n - at - 1));
    for (int k = 0; k < count; k++) list->v[at + k] = (int8_t)(LETTERS + count - 1 - k);
    list->n += count - 1;
}

static int find(const labels *list, int label) {
    for (int k = 0; k < list->n; k++)
        if (list->v[k] == label) return k;
    return -1;
}

/* The labels of operand i against its shape: as many as it has axes. */
static bool label_operand(sum *s, int i, labels *list) {
    char text[120];
    const int rank = ag_meta_of(s->in[i])->rank, dots = find(list, ELLIPSIS), letters = list->n - (dots >= 0);
    if (letters > rank || (dots < 0 && letters < rank)) {
        snprintf(text, sizeof text, "operand %d has %d axes for %d letters", i, rank, letters);
        return refuse(s, AG_ERROR_SHAPE, text);
    }
    for (int k = 0; k < list->n; k++)
        if (list->v[k] >= 0) s->seen[list->v[k]]++;
    if (dots < 0) return true;
    open_ellipsis(list, dots, rank - letters);
    if (rank - letters > s->ellipsis) s->ellipsis = rank - letters;
    return true;
}

/* What follows the arrow; or, without one, the ellipsis and then every letter that occurs once, in order. */
static bool parse_output(sum *s, const char *at) {
    char text[120];
    if (*at) {
        at = parse_list(s, at + 2, "output", &s->out);
        if (!at) return false;
        if (*at) return refuse(s, AG_ERROR_VALUE, "only one arrow may stand there, and no comma behind it");
    } else {
        s->out = (labels){.n = 1, .v = {ELLIPSIS}};
        for (int label = 0; label < LETTERS; label++) {
            if (s->seen[label] != 1) continue;
            if (s->out.n == LIST_MOST) return refuse(s, AG_ERROR_SHAPE, "the output has too many letters");
            s->out.v[s->out.n++] = (int8_t)label;
        }
    }
    const int dots = find(&s->out, ELLIPSIS), rank = s->out.n + (dots < 0 ? 0 : s->ellipsis - 1);
    if (rank > AG_MAX_RANK) {
        snprintf(text, sizeof text, "the output would have rank %d", rank);
        return refuse(s, AG_ERROR_SHAPE, text);
    }
    if (dots >= 0) open_ellipsis(&s->out, dots, s->ellipsis);
    for (int k = 0; k < s->out.n; k++) {
        const int label = s->out.v[k];
        const bool twice = find(&s->out, label) < k;
        if (label >= LETTERS || (s->seen[label] && !twice)) continue;
        snprintf(text, sizeof text, twice ? "output: '%c' stands there twice" : "output: '%c' is in no operand",
                 label_letter(label));
        return refuse(s, AG_ERROR_VALUE, text);
    }
    return true;
}

static bool parse(sum *s) {
    char text[120];
    const char *at = s->equation;
    for (int i = 0; i < s->n; i++) {
        char what[32];
        snprintf(what, sizeof what, "operand %d", i);
        at = parse_list(s, at, what, &s->terms[i].axes);
        if (!at || !label_operand(s, i, &s->terms[i].axes)) return false;
        const bool comma = *at == ',';
        if (comma != (i + 1 < s->n)) {
            snprintf(text, sizeof text, "it names %s operands than the %d given", comma ? "more" : "fewer", s->n);
            return refuse(s, AG_ERROR_VALUE, text);
        }
        at += comma;
    }
    return parse_output(s, at);
}

/* ---- sizes ---------------------------------------------------------------------------------------------------------------- */

/* The size of every label: that of its axes, where those of size 1 repeat. */
static bool find_sizes(sum *s) {
    char text[160];
    for (int label = 0; label < LABELS; label++) s->size[label] = 1;
    for (int i = 0; i < s->n; i++) {
        const labels *list = &s->terms[i].axes;
        const ag_meta *meta = ag_meta_of(s->in[i]);
        for (int k = 0; k < list->n; k++) {
            const int label = list->v[k], first = find(list, label);
            const int64_t have = meta->dim[k], want = first < k ? meta->dim[first] : s->size[label];
            if (have == want) continue;
            if (first == k && want == 1) {
                s->size[label] = have;
            } else if (first < k || have != 1) {
                char name[] = {'\'', label < LETTERS ? label_letter(label) : '.', '\'', '\0'};
                snprintf(text, sizeof text, "operand %d has size %" PRId64 " for %s, which %s", i, have,
                         label < LETTERS ? name : "an axis of '...'", first < k ? "has another one there" : "is");
                const size_t end = strlen(text);
                if (first == k) snprintf(text + end, sizeof text - end, " %" PRId64, want);
                return refuse(s, AG_ERROR_SHAPE, text);
            }
        }
    }
    return true;
}

/* ---- terms ------------------------------------------------------------------------------------------------------------------ */

static void remove_label(labels *list, int at) {
    memmove(list->v + at, list->v + at + 1, (size_t)(list->n - at - 1));
    list->n--;
}

/* Axes p < q of a term as one, their diagonal, which comes last: every (n + 1)-th element of the n * n. */
static void take_diagonal(term *x, int p, int q) {
    const ag_meta *meta = ag_meta_of(x->value);
    if (!meta) return;
    const int rank = meta->rank;
    const int64_t n = meta->dim[p];
    int axes[AG_MAX_RANK], k = 0;
    int64_t dim[AG_MAX_RANK];
    for (int axis = 0; axis < rank; axis++) {
        if (axis == p || axis == q) continue;
        dim[k] = meta->dim[axis];
        axes[k++] = axis;
    }
    axes[k] = p;
    axes[k + 1] = q;
    dim[k] = n * n;
    x->value = ag_slice(ag_reshape(ag_permute(x->value, axes, rank), rank - 1, dim), -1, 0, INT64_MAX, n + 1);
    const int8_t label = x->axes.v[p];
    remove_label(&x->axes, q);
    remove_label(&x->axes, p);
    x->axes.v[x->axes.n++] = label;
}

/* Each label once, and with its full size. */
static void simplify(sum *s, term *x) {
    for (int k = 0; k < x->axes.n; k++) {
        const int first = find(&x->axes, x->axes.v[k]);
        if (first == k) continue;
        take_diagonal(x, first, k);
        k = first - 1; /* what was behind it has moved */
    }
    for (int k = x->axes.n - 1; k >= 0; k--) {
        const ag_meta *meta = ag_meta_of(x->value);
        if (!meta || meta->dim[k] == s->size[x->axes.v[k]]) continue;
        x->value = ag_squeeze(x->value, k);
        remove_label(&x->axes, k);
    }
    for (int k = 0; k < x->axes.n; k++) s->left[x->axes.v[k]]++;
}

/* Sum over the labels that neither `other` nor a later term nor the output has. */
static void sum_out(const sum *s, term *x, const labels *other) {
    int axes[LIST_MOST], n = 0;
    for (int k = 0; k < x->axes.n; k++) {
        const int label = x->axes.v[k];
        if (!s->left[label] && find(&s->out, label) < 0 && find(other, label) < 0) axes[n++] = k;
    }
    if (n == 0) return;
    x->value = ag_sum(x->value, axes, n, false);
    while (n > 0) remove_label(&x->axes, axes[--n]);
}

/* The value with its axes in the order of the labels; those it does not have are of size 1. */
static ag_value arrange(const sum *s, const term *x, const labels *order) {
    int axes[AG_MAX_RANK], n = 0;
    int64_t dim[LIST_MOST];
    for (int k = 0; k < order->n; k++) {
        const int at = find(&x->axes, order->v[k]);
        dim[k] = at < 0 ? 1 : s->size[order->v[k]];
        if (at >= 0) axes[n++] = at;
    }
    const ag_value y = ag_permute(x->value, axes, n);
    return n == order->n ? y : ag_reshape(y, order->n, dim);
}

static void append(labels *list, const labels *more) {
    memcpy(list->v + list->n, more->v, (size_t)more->n);
    list->n += more->n;
}

static int64_t count_of(const sum *s, const labels *list) {
    int64_t count = 1;
    for (int k = 0; k < list->n; k++) count *= s->size[list->v[k]];
    return count;
}

/* Both terms as stacks of matrices: (stack, rows, inner) (stack, inner, columns). */
static ag_value multiply(const sum *s, const term *x, const term *y, const labels *stack, const labels *rows,
                         const labels *columns, const labels *inner) {
    labels left = *stack, right = *stack, both = *stack;
    append(&left, rows);
    append(&left, inner);
    append(&right, inner);
    append(&right, columns);
    append(&both, rows);
    append(&both, columns);
    const int64_t b = count_of(s, stack), m = count_of(s, rows), k = count_of(s, inner), n = count_of(s, columns);
    const int skip = stack->n == 0; /* no stack: plain matrices */
    const ag_value z = ag_matmul(ag_reshape(arrange(s, x, &left), 3 - skip, &(const int64_t[]){b, m, k}[skip]),
                                 ag_reshape(arrange(s, y, &right), 3 - skip, &(const int64_t[]){b, k, n}[skip]));
    int64_t dim[AG_MAX_RANK];
    for (int i = 0; i < both.n; i++) dim[i] = s->size[both.v[i]];
    return ag_reshape(z, both.n, dim);
}

static bool floats(ag_value x) {
    const ag_meta *meta = ag_meta_of(x);
    return meta && ag_dtype_is_float(meta->dtype);
}

/* x becomes the product of both, summed over what nobody needs any more. */
static bool contract(const sum *s, term *x, term *y) {
    char text[120];
    sum_out(s, x, &y->axes);
    sum_out(s, y, &x->axes);
    labels stack = {0}, rows = {0}, columns = {0}, inner = {0};
    for (int k = 0; k < x->axes.n; k++) {
        const int label = x->axes.v[k];
        const bool kept = s->left[label] || find(&s->out, label) >= 0;
        labels *to = find(&y->axes, label) < 0 ? &rows : kept ? &stack : &inner;
        to->v[to->n++] = (int8_t)label;
    }
    for (int k = 0; k < y->axes.n; k++)
        if (find(&x->axes, y->axes.v[k]) < 0) columns.v[columns.n++] = y->axes.v[k];
    /* without a sum, or with nothing to share the factors among, elementwise products do; matrices are of floats */
    const bool matrices = inner.n > 0 && rows.n + columns.n > 0 && (floats(x->value) || floats(y->value));
    const int rank = stack.n + rows.n + columns.n + (matrices ? 0 : inner.n);
    if (rank > AG_MAX_RANK) {
        snprintf(text, sizeof text, "an intermediate product would have rank %d; the most is %d", rank,
                 AG_MAX_RANK);
        return refuse(s, AG_ERROR_SHAPE, text);
    }
    labels all = stack;
    append(&all, &rows);
    append(&all, &columns);
    if (matrices) {
        x->value = multiply(s, x, y, &stack, &rows, &columns, &inner);
    } else {
        append(&all, &inner);
        x->value = ag_mul(arrange(s, x, &all), arrange(s, y, &all));
    }
    x->axes = all;
    sum_out(s, x, &(const labels){0});
    return true;
}

static ag_value evaluate(sum *s) {
    if (!parse(s) || !find_sizes(s)) return agx_failed(s->t);
    for (int i = 0; i < s->n; i++) {
        s->terms[i].value = s->in[i];
        simplify(s, &s->terms[i]);
    }
    term *x = &s->terms[0];
    for (int i = 0; i < s->n; i++) {
        term *y = &s->terms[i];
        for (int k = 0; k < y->axes.n; k++) s->left[y->axes.v[k]]--;
        if (i > 0 && !contract(s, x, y)) return agx_failed(s->t);
    }
    sum_out(s, x, &(const labels){0});
    return arrange(s, x, &s->out);
}

ag_value ag_einsum(const char *equation, const ag_value *x, int n) {
    ag_tape *t = agx_tape_of(x, x && n > 0 ? (uint32_t)n : 0, NULL);
    if (!t) return (ag_value){0};
    if (!equation) return ag_tape_fail(t, AG_ERROR_VALUE, "einsum: the equation is NULL");
    if (agx_check_operands(t, "einsum", x, (uint32_t)n) != AG_OK) return agx_failed(t);
    const size_t bytes = (size_t)n * sizeof(term);
    sum s = {.t = t, .equation = equation, .in = x, .n = n, .terms = ag_alloc_zeroed(bytes)};
    if (!s.terms) return ag_tape_fail(t, AG_ERROR_MEMORY, "einsum: out of memory for %d operands", n);
    const ag_value y = evaluate(&s);
    ag_release(s.terms, bytes);
    return y;
}
