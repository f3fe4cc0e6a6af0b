/* misfit: the list of all that disagrees, in one message. */
#include "misfit_impl.h"

#include <stdio.h>
#include <string.h>

nnx_misfit nnx_misfit_of(const char *path) {
    enum { AROUND = 60 }; /* what the message says beside path and list */
    size_t shown = 0;
    while (shown < NNX_MISFIT_PATH && path[shown]) shown++;
    const size_t room = AG_MESSAGE_SIZE - AROUND - shown;
    return (nnx_misfit){.room = room < NNX_MISFIT_TEXT ? room : NNX_MISFIT_TEXT};
}

void nnx_misfit_add(nnx_misfit *m, const char *format, ...) {
    char item[160];
    va_list args;
    va_start(args, format);
    const int wanted = vsnprintf(item, sizeof item, format, args);
    va_end(args);
    size_t size = 0;
    for (; item[size]; size++)
        if ((unsigned char)item[size] < ' ' || item[size] == 0x7f) item[size] = '?';
    const size_t comma = m->length ? 2 : 0;
    m->count++;
    if (wanted < 0 || m->left_out || m->length + comma + size >= (m->room ? m->room : sizeof m->text)) {
        m->left_out++;
        return;
    }
    if (comma) memcpy(m->text + m->length, ", ", comma);
    memcpy(m->text + m->length + comma, item, size + 1);
    m->length += comma + size;
}

/* The shape alone: "(3, 4)". */
static const char *shape_text(const ag_meta *meta, char *text, size_t size) {
    const char *shape = strchr(ag_meta_text(meta, text, size), '(');
    return shape ? shape : text;
}

bool nnx_misfit_compare(nnx_misfit *m, const char *name, const ag_tensor *want, const ag_tensor *have) {
    if (!have) {
        nnx_misfit_add(m, "\"%s\" is missing", name);
        return false;
    }
    const ag_meta *x = ag_tensor_meta(want), *y = ag_tensor_meta(have);
    const bool shape = ag_meta_same_shape(x, y), dtype = x->dtype == y->dtype;
    char a[AG_META_TEXT], b[AG_META_TEXT];
    if (!shape)
        nnx_misfit_add(m, "\"%s\" is %s, should be %s", name, shape_text(y, a, sizeof a),
                       shape_text(x, b, sizeof b));
    if (!dtype)
        nnx_misfit_add(m, "\"%s\" is %s, should be %s", name, ag_dtype_name(y->dtype), ag_dtype_name(x->dtype));
    return shape && dtype;
}

ag_status nnx_misfit_status(const nnx_misfit *m, const char *path, const char *what, ag_error *error) {
    if (!m->count) return AG_OK;
    char more[40] = "";
    if (m->left_out) (void)snprintf(more, sizeof more, ", and %zu more", m->left_out);
    return ag_fail(error, AG_ERROR_FORMAT, "%.*s does not fit %s: %s%s", NNX_MISFIT_PATH, path, what, m->text,
                   more);
}
