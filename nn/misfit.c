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

static size_t room_of(const nnx_misfit *m) { return m->room ? m->room : sizeof m->text; }

/* Behind what is there, with a comma; false, and nothing is done: there is no room. */
static bool append(char *text, size_t *length, size_t room, const char *item, size_t size) {
    const size_t comma = *length ? 2 : 0;
    if (*length + comma + size >= room) return false;
    if (comma) memcpy(text + *length, ", ", comma);
    memcpy(text + *length + comma, item, size);
    *length += comma + size;
    text[*length] = '\0';
    return true;
}

/* How much of an item is the name of what it is about. */
static size_t name_size(const char *item) {
    const char *end = *item == '"' ? strstr(item + 1, "\" ") : strstr(item, " is ");
    return end ? (size_t)(end - item) + (*item == '"') : strlen(item);
}

static const char ALSO[] = ", also ";

void nnx_misfit_add(nnx_misfit *m, const char *format, ...) {
    char item[160];
    va_list args;
    va_start(args, format);
    if (vsnprintf(item, sizeof item, format, args) < 0) *item = '\0';
    va_end(args);
    for (char *c = item; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    const size_t room = room_of(m), before = m->count++;
    if (m->left_out || !append(m->text, &m->length, room, item, strlen(item))) m->left_out++;
    if (!m->left_out && m->first_count == before && (before == 0 || m->length <= room / 2)) {
        m->first_length = m->length;
        m->first_count = m->count;
    } else if (m->first_count + m->names_count == before && m->first_length + sizeof ALSO < room) {
        m->names_count +=
            append(m->names, &m->names_length, room - m->first_length - strlen(ALSO), item, name_size(item));
    }
}

void nnx_misfit_text(nnx_misfit *m, char *text, size_t size) {
    if (m->left_out && m->names_count) {
        (void)snprintf(m->text + m->first_length, sizeof m->text - m->first_length, "%s%s", ALSO, m->names);
        m->left_out = m->count - m->first_count - m->names_count;
    }
    if (m->left_out)
        (void)snprintf(text, size, "%s, and %zu more", m->text, m->left_out);
    else
        (void)snprintf(text, size, "%s", m->text);
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

ag_status nnx_misfit_status(nnx_misfit *m, const char *path, const char *what, ag_error *error) {
    char text[NNX_MISFIT_TEXT + 40];
    if (!m->count) return AG_OK;
    nnx_misfit_text(m, text, sizeof text);
    return ag_fail(error, AG_ERROR_FORMAT, "%.*s does not fit %s: %s", NNX_MISFIT_PATH, path, what, text);
}
