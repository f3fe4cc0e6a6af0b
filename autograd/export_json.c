/* export_json: a graph for programs. */
#include "export.h"

#include <math.h>

#include "export_impl.h"

static void out_string(agx_out *o, const char *text) {
    agx_out_text(o, "\"");
    agx_out_escaped(o, text, AGX_ESCAPE_JSON);
    agx_out_text(o, "\"");
}

static void out_optional(agx_out *o, const char *text) {
    if (text)
        out_string(o, text);
    else
        agx_out_text(o, "null");
}

/* `"key":[...]`, row-major and flat; the shape says the rest. */
static void out_numbers(agx_out *o, const char *key, const double *numbers, int64_t count) {
    agx_out_format(o, ",\"%s\":", key);
    if (!numbers) {
        agx_out_text(o, "null");
        return;
    }
    agx_out_text(o, "[");
    for (int64_t i = 0; i < count; i++) {
        if (i > 0) agx_out_text(o, ",");
        agx_out_exact(o, numbers[i]);
    }
    agx_out_text(o, "]");
}

static void out_node(agx_out *o, const ag_node *node) {
    const int64_t count = ag_meta_count(&node->meta);
    agx_out_format(o, "{\"id\":%u,\"output\":%u,\"operation\":", (unsigned)node->id, (unsigned)node->output);
    out_string(o, node->operation);
    agx_out_text(o, ",\"formula\":");
    out_string(o, node->formula);
    agx_out_text(o, ",\"number\":");
    if (node->has_number)
        agx_out_exact(o, node->number);
    else
        agx_out_text(o, "null");
    agx_out_text(o, ",\"cost\":");
    if (isnan(node->cost))
        agx_out_text(o, "null");
    else
        agx_out_exact(o, node->cost);
    agx_out_text(o, ",\"label\":");
    out_string(o, node->label);
    agx_out_format(o, ",\"scope\":%u,\"dtype\":\"%s\",\"shape\":[", (unsigned)node->scope,
                   ag_dtype_name(node->meta.dtype));
    for (int d = 0; d < node->meta.rank; d++)
        agx_out_format(o, d > 0 ? ",%lld" : "%lld", (long long)node->meta.dim[d]);
    agx_out_format(o, "],\"differentiable\":%s", node->differentiable ? "true" : "false");
    out_numbers(o, "value", node->value, count);
    out_numbers(o, "adjoint", node->adjoint, count);
    agx_out_text(o, ",\"operands\":[");
    for (uint32_t i = 0; i < node->n_in; i++) {
        agx_out_format(o, "%s{\"id\":%u,\"partial\":", i > 0 ? "," : "", (unsigned)node->in[i].id);
        out_optional(o, node->in[i].partial);
        out_numbers(o, "local", node->in[i].local, count);
        agx_out_text(o, "}");
    }
    agx_out_text(o, "],\"contributions\":[");
    for (const ag_contribution *c = node->contributions; c; c = c->next) {
        agx_out_format(o, "%s{\"from\":%u,\"operand\":%u", c != node->contributions ? "," : "", (unsigned)c->from,
                       (unsigned)c->operand);
        out_numbers(o, "amount", c->amount, count);
        out_numbers(o, "sum", c->sum, count);
        agx_out_text(o, "}");
    }
    agx_out_text(o, "]}");
}

ag_status ag_export_json(const ag_inspection *seen, ag_sink sink, ag_error *error) {
    agx_out o;
    agx_out_init(&o, sink);
    agx_out_format(&o, "{\"root\":%u,\n\"scopes\":[", (unsigned)ag_inspection_root(seen));
    for (uint32_t k = 0; k < ag_inspection_scope_count(seen); k++) {
        const ag_scope *scope = ag_inspection_scope(seen, k);
        agx_out_format(&o, "%s{\"parent\":%u,\"name\":", k > 0 ? ",\n" : "\n", (unsigned)scope->parent);
        out_string(&o, scope->name);
        agx_out_text(&o, "}");
    }
    agx_out_text(&o, "],\n\"nodes\":[");
    for (uint32_t i = 0; i < ag_inspection_count(seen); i++) {
        agx_out_text(&o, i > 0 ? ",\n" : "\n");
        out_node(&o, ag_inspection_node(seen, i));
    }
    agx_out_text(&o, "]}\n");
    return agx_out_end(&o, error);
}
