/* export_text: a graph as lines that a person can follow with a pencil. */
#include "export.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "export_impl.h"

/* ---- names ------------------------------------------------------------------------------------------------------------- */

/* Labels that are not plain words are quoted, so that "a + b" does not read as a sum. */
static void out_label(agx_out *o, const char *label) {
    bool plain = true;
    for (const unsigned char *c = (const unsigned char *)label; *c; c++)
        plain = plain && (isalnum(*c) || *c == '_' || *c == '.' || *c >= 0x80);
    if (!plain) agx_out_text(o, "'");
    agx_out_escaped(o, label, AGX_ESCAPE_TEXT);
    if (!plain) agx_out_text(o, "'");
}

static void out_name(agx_out *o, const ag_inspection *seen, uint32_t id) {
    const ag_node *node = ag_inspection_find(seen, id);
    if (node && node->label[0])
        out_label(o, node->label);
    else if (id == ag_inspection_root(seen))
        agx_out_text(o, "L");
    else if (node && node->op == NULL && node->n_in == 0 && !node->differentiable && node->value)
        agx_out_short(o, node->value[0]); /* a constant of the strip is best named by its value */
    else
        agx_out_format(o, "#%u", (unsigned)id);
}

/* "dL/da" */
static void out_derivative(agx_out *o, const ag_inspection *seen, uint32_t of, uint32_t by) {
    agx_out_text(o, "d");
    out_name(o, seen, of);
    agx_out_text(o, "/d");
    out_name(o, seen, by);
}

/* ---- formulas ------------------------------------------------------------------------------------------------------------ */

/* Formulas of one or two operands speak of x, y and the record's number c; these can be filled in. */
static bool can_fill(const ag_node *node) {
    return node->op && node->op->traits & AG_TRAIT_ELEMENTWISE && node->n_in >= 1 && node->n_in <= 2;
}

static void out_factor(agx_out *o, double x, bool enclosed) {
    const bool brackets = signbit(x) && !enclosed;
    if (brackets) agx_out_text(o, "(");
    agx_out_short(o, x);
    if (brackets) agx_out_text(o, ")");
}

/* Which operand a word of a formula means: 0, 1; 2 is the number; -1 another word. */
static int variable(const ag_node *node, const char *word, size_t length) {
    if (length != 1) return -1;
    if (*word == 'x') return 0;
    if (*word == 'y' && node->n_in == 2) return 1;
    return *word == 'c' && node->has_number ? 2 : -1;
}

/* The formula with names or, when `numbers`, with values in place of x, y and c. What stood side by side gets a sign. */
static void out_filled(agx_out *o, const ag_inspection *seen, const ag_node *node, const char *formula,
                       bool numbers) {
    bool factor = false; /* a number or variable, then a blank, came right before */
    for (const char *at = formula; *at;) {
        size_t length = 1;
        if (isalnum((unsigned char)*at))
            while (isalnum((unsigned char)at[length]) || at[length] == '_' || at[length] == '.') length++;
        const int which = variable(node, at, length);
        if (factor && *at != ' ' && (isalnum((unsigned char)*at) || *at == '(') &&
            (which >= 0 || at[length] == '('))
            agx_out_text(o, "* ");
        const bool enclosed = at > formula && at[-1] == '(' && at[length] == ')';
        if (which == 2)
            out_factor(o, node->number, enclosed);
        else if (which >= 0 && numbers)
            out_factor(o, ag_inspection_find(seen, node->in[which].id)->value[0], enclosed);
        else if (which >= 0)
            out_name(o, seen, node->in[which].id);
        else
            agx_out_bytes(o, at, length);
        factor = (which >= 0 || isdigit((unsigned char)*at)) && at[length] == ' ';
        at += length;
        if (factor && *at == ' ') agx_out_bytes(o, at++, 1);
    }
}

static bool single(const ag_node *node) { return node->value && ag_meta_count(&node->meta) == 1; }

static bool all_single(const ag_inspection *seen, const ag_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!single(ag_inspection_find(seen, node->in[i].id))) return false;
    return single(node);
}

/* Are all operands in the inspection? In one of a range they need not be. */
static bool has_operands(const ag_inspection *seen, const ag_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!ag_inspection_find(seen, node->in[i].id)) return false;
    return true;
}

/* ---- forward --------------------------------------------------------------------------------------------------------------- */

static void out_expression(agx_out *o, const ag_inspection *seen, const ag_node *node) {
    if (can_fill(node)) {
        out_filled(o, seen, node, node->formula, false);
        if (!has_operands(seen, node) || !all_single(seen, node)) return;
        agx_out_text(o, " = ");
        out_filled(o, seen, node, node->formula, true);
        return;
    }
    agx_out_text(o, node->operation);
    if (node->n_in == 0) return;
    agx_out_text(o, "(");
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (i > 0) agx_out_text(o, ", ");
        out_name(o, seen, node->in[i].id);
    }
    agx_out_text(o, ")");
    if (node->output > 0) agx_out_format(o, "[%u]", (unsigned)node->output);
    if (node->formula[0]) {
        agx_out_text(o, ": ");
        agx_out_text(o, node->formula);
    }
}

static void out_scope(agx_out *o, const ag_inspection *seen, uint32_t scope, const uint32_t *path,
                      uint32_t depth) {
    if (scope == 0) return;
    agx_out_text(o, "  in ");
    for (uint32_t k = depth; k-- > 0;) {
        agx_out_escaped(o, ag_inspection_scope(seen, path[k])->name, AGX_ESCAPE_TEXT);
        if (k > 0) agx_out_text(o, "/");
    }
}

static void out_forward(agx_out *o, const ag_inspection *seen, const ag_node *node, uint32_t *path) {
    agx_out_format(o, "#%-4u ", (unsigned)node->id);
    if (node->n_in > 0 || node->op || node->label[0] || node->differentiable) {
        out_name(o, seen, node->id);
        agx_out_text(o, " = ");
    }
    if (node->n_in > 0) {
        out_expression(o, seen, node);
        agx_out_text(o, " = ");
    }
    agx_out_array(o, &node->meta, node->value);
    if (node->n_in == 0) agx_out_format(o, "  (%.60s)", node->operation);
    uint32_t depth = 0;
    for (uint32_t s = node->scope; s > 0; s = ag_inspection_scope(seen, s)->parent) path[depth++] = s;
    out_scope(o, seen, node->scope, path, depth);
    agx_out_text(o, "\n");
}

/* ---- backward ---------------------------------------------------------------------------------------------------------------- */

static void out_contribution(agx_out *o, const ag_inspection *seen, const ag_contribution *c) {
    const uint32_t root = ag_inspection_root(seen);
    const ag_node *to = ag_inspection_find(seen, c->to);
    out_derivative(o, seen, root, c->to);
    if (c->from == 0) {
        agx_out_text(o, " = ");
        agx_out_array(o, &to->meta, c->amount);
        agx_out_text(o, "\n");
        return;
    }
    const ag_node *from = ag_inspection_find(seen, c->from);
    const ag_edge *edge = &from->in[c->operand];
    const bool sums = edge->local && !ag_meta_same_shape(&from->meta, &to->meta);
    agx_out_text(o, sums ? " += sum " : " += ");
    out_derivative(o, seen, root, c->from);
    agx_out_text(o, " * ");
    out_derivative(o, seen, c->from, c->to);
    if (edge->local && from->adjoint) {
        agx_out_text(o, sums ? " = sum " : " = ");
        agx_out_array(o, &from->meta, from->adjoint);
        agx_out_text(o, " * ");
        agx_out_array(o, &from->meta, edge->local);
    }
    agx_out_text(o, " = ");
    agx_out_array(o, &to->meta, c->amount);
    if (c->sum) {
        agx_out_text(o, ", sum ");
        agx_out_array(o, &to->meta, c->sum);
    }
    if (edge->partial) {
        agx_out_text(o, "   (");
        out_derivative(o, seen, c->from, c->to);
        agx_out_text(o, " = ");
        if (can_fill(from))
            out_filled(o, seen, from, edge->partial, false);
        else
            agx_out_text(o, edge->partial);
        agx_out_text(o, ")");
    }
    agx_out_text(o, "\n");
}

ag_status ag_export_text(const ag_inspection *seen, ag_sink sink, ag_error *error) {
    const size_t path_bytes = ag_inspection_scope_count(seen) * sizeof(uint32_t);
    uint32_t *path = ag_alloc(path_bytes);
    if (!path) return ag_fail(error, AG_ERROR_MEMORY, "export: out of memory");
    agx_out o;
    agx_out_init(&o, sink);
    agx_out_text(&o, "forward\n");
    for (uint32_t i = 0; i < ag_inspection_count(seen); i++)
        out_forward(&o, seen, ag_inspection_node(seen, i), path);
    const ag_contribution *c = ag_inspection_sweep(seen);
    if (c) agx_out_text(&o, "backward\n");
    for (; c; c = c->then) out_contribution(&o, seen, c);
    ag_release(path, path_bytes);
    return agx_out_end(&o, error);
}
