/* summary: one pass, and whose record is whose.
 *
 * nn_forward opens a scope of the module's name, so the scopes of a recorded graph repeat the tree: a scope belongs to the
 * child that has its name, or, where a layer opened one for itself, to the module of the scope around it. */
#include "summary.h"

#include "module_impl.h"

#include <stdio.h>
#include <string.h>

enum { MOST_OPERANDS = 64 };

static size_t find(const nn_summary *s, const nn_module *m) {
    size_t i = 0;
    while (s->row[i].module != m) i++;
    return i;
}

/* Floating-point operations of a record, as its row counts them; a row that does not, and works element by element, does one
 * for each. Views do none. False: not known, or the row needs attributes to say. */
static bool count_operations(const ag_inspection *seen, const ag_node *node, double *operations) {
    *operations = 0;
    if (node->output > 0 || (node->op && node->op->traits & AG_TRAIT_VIEW)) return true;
    if (!node->op || (!node->op->cost && node->op->traits & AG_TRAIT_ELEMENTWISE)) {
        *operations = (double)ag_meta_count(&node->meta);
        return true;
    }
    const ag_meta *in[MOST_OPERANDS];
    if (!node->op->cost || node->op->attr_size || node->n_in > MOST_OPERANDS) return false;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const ag_node *operand = ag_inspection_find(seen, node->in[k].id);
        if (!operand) return false;
        in[k] = &operand->meta;
    }
    *operations = node->op->cost(&(const ag_query){.op = node->op, .in = in, .n_in = node->n_in});
    return true;
}

static void add_record(nn_summary *s, size_t i, const ag_inspection *seen, const ag_node *node) {
    nn_summary_row *row = &s->row[i];
    double operations;
    const bool counted = count_operations(seen, node, &operations);
    row->records++;
    row->computed += (int64_t)ag_meta_bytes(&node->meta);
    row->operations += operations;
    row->uncounted += !counted;
    for (const nn_module *m = row->module; m; m = m->parent) { /* ids ascend: the last one stays */
        nn_summary_row *above = &s->row[find(s, m)];
        above->shaped = true;
        above->output = node->meta;
        if (m == s->row[0].module) break;
    }
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
        if (node->n_in) add_record(s, find(s, owner[node->scope]), seen, node);
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
        for (const nn_module *up = m; up != net; up = up->parent) row->depth++;
        for (const nn_param *p = m->params; p; p = p->next) {
            if (!p->tensor) continue; /* the pass says so */
            row->bytes += (int64_t)ag_meta_bytes(ag_tensor_meta(p->tensor));
            if (!p->buffer) row->parameters += ag_tensor_count(p->tensor);
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

/* Text that goes on being measured where it no longer fits. */
typedef struct writer {
    char *text;
    size_t size, length;
} writer;

static void put(writer *w, const char *format, ...) AG_PRINTF(2, 3);
static void put(writer *w, const char *format, ...) {
    const bool fits = w->length < w->size;
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(fits ? w->text + w->length : NULL, fits ? w->size - w->length : 0, format, args);
    va_end(args);
    if (n > 0) w->length += (size_t)n;
}

static void put_row(writer *w, const char *name, const nn_summary_row *row) {
    char shape[AG_META_TEXT] = "-";
    if (row->shaped) (void)ag_meta_text(&row->output, shape, sizeof shape);
    put(w, "%-32s %-20s %12lld %12lld %12lld %12.0f%s\n", name, shape, (long long)row->parameters,
        (long long)row->bytes, (long long)row->computed, row->operations, row->uncounted ? "+" : "");
}

size_t nn_summary_text(const nn_summary *s, char *text, size_t size) {
    writer w = {text, size, 0};
    if (size) text[0] = '\0';
    put(&w, "%-32s %-20s %12s %12s %12s %12s\n", "layer", "output", "parameters", "bytes", "computed",
        "operations");
    for (size_t i = s->count > 1 ? 1 : 0; i < s->count; i++) { /* a root alone is a layer */
        const nn_summary_row *row = &s->row[i];
        char name[128];
        (void)snprintf(name, sizeof name, "%*s%s %s", row->depth ? 2 * (row->depth - 1) : 0, "",
                       row->module->name ? row->module->name : "", row->module->type);
        put_row(&w, name, row);
    }
    const nn_summary_row sum = nn_summary_total(s);
    put_row(&w, "all", &sum);
    return w.length;
}
