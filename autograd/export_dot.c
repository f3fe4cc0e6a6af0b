/* export_dot: a graph for Graphviz. Scopes come in the order in which they were opened, so nested clusters are brackets that
 * open and close: nothing recurses. */
#include "export.h"

#include "export_impl.h"

enum { SHOWN = 4 }; /* numbers of larger arrays would make boxes wider than pages */

/* Nodes by scope: a list through `next`, from `first` of each scope; indices + 1, 0 ends. */
typedef struct by_scope {
    uint32_t *first, *next;
    bool *used; /* holds a node, or a scope that does */
} by_scope;

static void sort_nodes(const ag_inspection *seen, by_scope *s) {
    for (uint32_t i = ag_inspection_count(seen); i-- > 0;) {
        const uint32_t scope = ag_inspection_node(seen, i)->scope;
        s->next[i] = s->first[scope];
        s->first[scope] = i + 1;
        s->used[scope] = true;
    }
    for (uint32_t k = ag_inspection_scope_count(seen); k-- > 1;)
        if (s->used[k]) s->used[ag_inspection_scope(seen, k)->parent] = true;
}

static void out_node(agx_out *o, const ag_inspection *seen, const ag_node *node) {
    const char *look = !node->differentiable                  ? ", style=\"filled,rounded\", fillcolor=\"#eeeeee\""
                       : node->n_in == 0                      ? ", style=filled, fillcolor=\"#dcecff\""
                       : node->id == ag_inspection_root(seen) ? ", style=filled, fillcolor=\"#ffe9c9\""
                                                              : "";
    agx_out_format(o, "n%u [label=\"", (unsigned)node->id);
    if (node->label[0]) {
        agx_out_escaped(o, node->label, AGX_ESCAPE_DOT);
        agx_out_text(o, "\\n");
    }
    agx_out_format(o, "#%u ", (unsigned)node->id);
    agx_out_escaped(o, node->operation, AGX_ESCAPE_DOT);
    if (node->n_in > 0 && node->formula[0]) {
        agx_out_text(o, ": ");
        agx_out_escaped(o, node->formula, AGX_ESCAPE_DOT);
    }
    if (node->has_number && node->n_in > 0) {
        agx_out_text(o, ", c = ");
        agx_out_short(o, node->number);
    }
    agx_out_text(o, "\\n");
    const bool few = ag_meta_count(&node->meta) <= SHOWN;
    agx_out_array(o, &node->meta, few ? node->value : NULL);
    if (node->adjoint && few) {
        agx_out_text(o, "\\ngrad ");
        agx_out_array(o, &node->meta, node->adjoint);
    }
    agx_out_format(o, "\"%s];\n", look);
}

/* Operand to result, with the local derivative. Operands outside a range are left out. */
static void out_edges(agx_out *o, const ag_inspection *seen, const ag_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        const ag_edge *edge = &node->in[i];
        if (!ag_inspection_find(seen, edge->id)) continue;
        agx_out_format(o, "  n%u -> n%u [label=\"", (unsigned)edge->id, (unsigned)node->id);
        if (edge->local && ag_meta_count(&node->meta) <= SHOWN) agx_out_array(o, &node->meta, edge->local);
        agx_out_text(o, edge->local ? "\"];\n" : "\", style=dashed];\n");
    }
}

static void out_clusters(agx_out *o, const ag_inspection *seen, const by_scope *s) {
    uint32_t open = 0;
    for (uint32_t k = 0; k < ag_inspection_scope_count(seen); k++) {
        if (k > 0) {
            const ag_scope *scope = ag_inspection_scope(seen, k);
            for (; open != scope->parent && s->used[k]; open = ag_inspection_scope(seen, open)->parent)
                agx_out_text(o, "  }\n");
            if (!s->used[k]) continue;
            agx_out_format(o, "  subgraph cluster_%u {\n  label=\"", (unsigned)k);
            agx_out_escaped(o, scope->name, AGX_ESCAPE_DOT);
            agx_out_text(o, "\";\n");
            open = k;
        }
        for (uint32_t i = s->first[k]; i > 0; i = s->next[i - 1]) {
            agx_out_text(o, "  ");
            out_node(o, seen, ag_inspection_node(seen, i - 1));
        }
    }
    for (; open != 0; open = ag_inspection_scope(seen, open)->parent) agx_out_text(o, "  }\n");
}

ag_status ag_export_dot(const ag_inspection *seen, ag_sink sink, ag_error *error) {
    const size_t n = ag_inspection_count(seen), scopes = ag_inspection_scope_count(seen);
    const size_t bytes = (n + scopes) * sizeof(uint32_t) + scopes * sizeof(bool);
    uint32_t *block = ag_alloc_zeroed(bytes);
    if (!block) return ag_fail(error, AG_ERROR_MEMORY, "export: out of memory");
    by_scope s = {.first = block, .next = block + scopes, .used = (bool *)(block + scopes + n)};
    sort_nodes(seen, &s);
    agx_out o;
    agx_out_init(&o, sink);
    agx_out_text(&o, "digraph tape {\n  rankdir=TB;\n  charset=\"UTF-8\";\n"
                     "  node [shape=box, fontname=\"Helvetica\", fontsize=11];\n"
                     "  edge [fontname=\"Helvetica\", fontsize=9];\n");
    out_clusters(&o, seen, &s);
    for (uint32_t i = 0; i < n; i++) out_edges(&o, seen, ag_inspection_node(seen, i));
    agx_out_text(&o, "}\n");
    ag_release(block, bytes);
    return agx_out_end(&o, error);
}
