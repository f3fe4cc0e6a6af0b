/* summary: one pass, and whose record is whose.
 *
 * nn_forward opens a scope of the module's name, so the scopes of a recorded graph repeat the tree: a scope belongs
 * to the child that has its name, or, where a layer opened one for itself, to the module of the scope around it. */
#include "summary.h"

#include "module_impl.h"
#include "text_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NOT_RUN = -1 }; /* instead of a rank */

static size_t find(const nn_summary *s, const nn_module *m) {
    size_t i = 0;
    while (s->row[i].module != m) i++;
    return i;
}

static void add_record(nn_summary *s, size_t i, const ag_node *node) {
    nn_summary_row *row = &s->row[i];
    const bool counted = !isnan(node->cost), view = node->op && node->op->traits & AG_TRAIT_VIEW;
    row->records++;
    row->computed += view ? 0 : (int64_t)ag_meta_bytes(&node->meta);
    row->operations += counted ? node->cost : 0;
    row->uncounted += !counted;
}

static const nn_module *child(const nn_module *m, const char *name) {
    for (const nn_module *c = m->children; c; c = c->next)
        if (strcmp(c->name, name) == 0) return c;
    return m;
}

static ag_status attribute(nn_summary *s, const ag_inspection *seen, ag_error *error) {
    const uint32_t scopes = ag_inspection_scope_count(seen);
    const size_t bytes = scopes * sizeof(nn_module *);
    const nn_module **owner = ag_alloc(bytes); /* (scopes) */
    if (!owner)
        return ag_fail(error, AG_ERROR_MEMORY, "nn_summary_init: no memory for %u scopes", (unsigned)scopes);
    for (uint32_t i = 0; i < scopes; i++) { /* a parent comes first */
        const ag_scope *scope = ag_inspection_scope(seen, i);
        owner[i] = i ? child(owner[scope->parent], scope->name) : s->row[0].module;
    }
    for (uint32_t i = 0; i < ag_inspection_count(seen); i++) {
        const ag_node *node = ag_inspection_node(seen, i);
        if (node->n_in) add_record(s, find(s, owner[node->scope]), node);
    }
    ag_release(owner, bytes);
    return AG_OK;
}

static ag_status list(nn_summary *s, nn_module *net, ag_error *error) {
    size_t n = 0;
    for (nn_module *m = net; m; m = nnx_module_after(net, m)) n++;
    s->row = ag_alloc_zeroed(n * sizeof *s->row); /* no overflow: n modules exist */
    if (!s->row) return ag_fail(error, AG_ERROR_MEMORY, "nn_summary_init: no memory for %zu modules", n);
    for (nn_module *m = net; m; m = nnx_module_after(net, m)) {
        nn_summary_row *row = &s->row[s->count++];
        row->module = m;
        row->output.rank = NOT_RUN;
        m->result = &row->output;
        for (const nn_module *up = m; up != net; up = up->parent) row->depth++;
        for (const nn_param *p = m->params; p; p = p->next) {
            if (!p->tensor) continue; /* the pass says so */
            row->bytes += (int64_t)ag_meta_bytes(ag_tensor_meta(p->tensor));
            *(p->buffer ? &row->state : &row->parameters) += ag_tensor_count(p->tensor);
        }
    }
    return AG_OK;
}

ag_status nn_summary_init(nn_summary *s, nn_module *net, const ag_tensor *x, ag_error *error) {
    *s = (nn_summary){.count = 0};
    if (!net || !x) return ag_fail(error, AG_ERROR_VALUE, "nn_summary_init: the network or its input is NULL");
    ag_inspection *seen = NULL;
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = t ? list(s, net, error) : ag_fail(error, AG_ERROR_MEMORY, "nn_summary_init: no memory");
    if (!status) {
        nn_pass pass = {t, false};
        (void)nn_forward(net, &pass, ag_constant(t, x));
        status = ag_tape_status(t);
        if (status) (void)ag_fail(error, status, "nn_summary_init: %s", ag_tape_message(t));
    }
    if (!status) {
        ag_error why = {AG_OK, ""};
        const ag_inspect_options options = {.max_elements = 1, .values_only = true};
        seen = ag_inspect_range(t, 1, UINT32_MAX, &options, &why);
        status = seen ? attribute(s, seen, error) : ag_fail(error, why.status, "nn_summary_init: %s", why.message);
    }
    for (size_t i = 0; i < s->count; i++) s->row[i].shaped = s->row[i].output.rank != NOT_RUN;
    for (nn_module *m = net; m; m = nnx_module_after(net, m)) m->result = NULL;
    ag_inspection_free(seen);
    ag_tape_free(t);
    if (status) nn_summary_clear(s);
    return status;
}

void nn_summary_clear(nn_summary *s) {
    ag_release(s->row, s->count * sizeof *s->row);
    *s = (nn_summary){.count = 0};
}

nn_summary_row nn_summary_total(const nn_summary *s) {
    nn_summary_row sum = {.depth = 0};
    for (size_t i = 0; i < s->count; i++) {
        const nn_summary_row *row = &s->row[i];
        sum.parameters += row->parameters;
        sum.state += row->state;
        sum.bytes += row->bytes;
        sum.records += row->records;
        sum.computed += row->computed;
        sum.operations += row->operations;
        sum.uncounted += row->uncounted;
    }
    if (s->count) {
        sum.shaped = s->row[0].shaped;
        sum.output = s->row[0].output;
    }
    return sum;
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

static bool same(const char *written, const char *word, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (tolower((unsigned char)written[i]) != word[i]) return false;
    return true;
}

/* "conv2d" as people write it, "Conv2d": each word with a capital, and some as their authors do. */
static void kind_text(const char *type, char *text, size_t size) {
    static const char *const written[] = {"ReLU", "ReLU6", "ELU", "CELU", "SELU", "GELU",
                                          "SiLU", "RNN",   "GRU", "LSTM", "RMS"};
    size_t length = 0;
    while (*type && length + 1 < size) {
        const size_t word = strcspn(type, "_");
        const char *from = type;
        for (size_t i = 0; i < sizeof written / sizeof *written; i++)
            if (strlen(written[i]) == word && same(written[i], type, word)) from = written[i];
        for (size_t i = 0; i < word && length + 1 < size; i++)
            text[length++] = i ? from[i] : (char)toupper((unsigned char)from[i]);
        type += word + (type[word] == '_');
    }
    text[length] = '\0';
}

enum { CELL = 96 };

/* The texts of a row. */
typedef struct cells {
    char name[CELL], kind[CELL], output[AG_META_TEXT];
} cells;

static cells cells_of(const nn_summary_row *row) {
    cells c = {.output = "-"};
    char shape[AG_META_TEXT];
    (void)snprintf(c.name, sizeof c.name, "%*s%s", 2 * row->depth, "", row->depth ? row->module->name : "net");
    kind_text(row->module->type, c.kind, sizeof c.kind);
    const char *sizes = row->shaped ? strchr(ag_meta_text(&row->output, shape, sizeof shape), '(') : NULL;
    if (sizes) (void)snprintf(c.output, sizeof c.output, "%s", sizes); /* without the dtype */
    return c;
}

static void widen(int *width, const char *text) {
    const int length = (int)strlen(text);
    if (length > *width) *width = length;
}

static void put_sum(nnx_buffer *t, const char *name, double x, const char *unit) {
    nnx_buffer_add(t, "%-15s %16.0f%s\n", name, x, unit);
}

size_t nn_summary_text(const nn_summary *s, char *text, size_t size) {
    nnx_buffer t = nnx_buffer_in(text, size);
    int name = 5, kind = 4, output = 6;
    for (size_t i = 0; i < s->count; i++) {
        const cells c = cells_of(&s->row[i]);
        widen(&name, c.name);
        widen(&kind, c.kind);
        widen(&output, c.output);
    }
    nnx_buffer_add(&t, "%-*s  %-*s  %-*s %12s %12s %14s\n", name, "layer", kind, "kind", output, "output",
                   "parameters", "bytes", "operations");
    for (size_t i = 0; i < s->count; i++) {
        const nn_summary_row *row = &s->row[i];
        const cells c = cells_of(row);
        nnx_buffer_add(&t, "%-*s  %-*s  %-*s %12lld %12lld %14.0f%s\n", name, c.name, kind, c.kind, output,
                       c.output, (long long)row->parameters, (long long)row->bytes, row->operations,
                       row->uncounted ? "+" : "");
    }
    const nn_summary_row sum = nn_summary_total(s);
    nnx_buffer_add(&t, "\n");
    put_sum(&t, "trained", (double)sum.parameters, "");
    put_sum(&t, "not trained", (double)sum.state, "");
    put_sum(&t, "bytes", (double)sum.bytes, "");
    put_sum(&t, "forward memory", (double)sum.computed, " bytes");
    put_sum(&t, "operations", sum.operations, sum.uncounted ? "+" : "");
    return t.length;
}
