/* split: an array cut into slices along an axis. Each part is an ordinary slice, a view with a record of its own, so
 * there is no row here: split and chunk work out where to cut and record the slices. */
#include "ops_impl.h"

#include <inttypes.h>
#include <stdio.h>

/** What all of them need to know: x's size along the axis; -1, and a failure on the tape, when there is none. */
static int64_t size_along(const char *name, ag_value x, int axis, const ag_value *part, int room, int *at) {
    const ag_meta *meta = ag_meta_of(x);
    char text[AG_META_TEXT];
    ag_error error = {0};
    if (!meta) return -1; /* x has failed, or has no tape to say so on */
    if (!part || room < 0) {
        ag_tape_fail(x.tape, AG_ERROR_VALUE, "%s: no room for parts", name);
        return -1;
    }
    if (ag_axis(axis, meta->rank, at, &error) != AG_OK) {
        ag_tape_fail(x.tape, error.status, "%s: %s; operand %s", name, error.message,
                     ag_meta_text(meta, text, sizeof text));
        return -1;
    }
    return meta->dim[*at];
}

/** No parts: every handle in `part` fails. */
static int no_parts(ag_value x, ag_value *part, int room) {
    for (int i = 0; part && i < room; i++) part[i] = (ag_value){.tape = x.tape};
    return 0;
}

static int refuse(ag_value x, ag_value *part, int room, ag_status status, const char *message) {
    char text[AG_META_TEXT];
    ag_tape_fail(x.tape, status, "%s; operand %s", message, ag_meta_text(ag_meta_of(x), text, sizeof text));
    return no_parts(x, part, room);
}

/** n slices of `size`, the last of what is left. */
static int cut(const char *name, ag_value x, int64_t size, int axis, int64_t n, ag_value *part, int room) {
    char message[160];
    if (n > room) {
        snprintf(message, sizeof message, "%s: room for %d parts, there are %" PRId64, name, room, n);
        return refuse(x, part, room, AG_ERROR_VALUE, message);
    }
    for (int64_t i = 0; i < n; i++) { /* n - 1 whole sizes fit the axis; the end may lie behind it */
        const int64_t start = i * size;
        part[i] = ag_slice(x, axis, start, size > INT64_MAX - start ? INT64_MAX : start + size, 1);
    }
    return (int)n;
}

int ag_split(ag_value x, int64_t size, int axis, ag_value *part, int room) {
    int at = 0;
    char message[160];
    const int64_t whole = size_along("split", x, axis, part, room, &at);
    if (whole < 0) return no_parts(x, part, room);
    if (size < 0 || (size == 0 && whole > 0)) {
        snprintf(message, sizeof message, "split: parts of size %" PRId64 " along axis %d of size %" PRId64, size,
                 at, whole);
        return refuse(x, part, room, AG_ERROR_VALUE, message);
    }
    return cut("split", x, size, at, whole == 0 ? 1 : (whole - 1) / size + 1, part, room);
}

int ag_split_sizes(ag_value x, const int64_t *sizes, int n, int axis, ag_value *part) {
    int at = 0;
    char message[160];
    const int64_t whole = size_along("split", x, axis, part, n, &at);
    if (whole < 0) return no_parts(x, part, n);
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (!sizes || sizes[i] < 0 || sizes[i] > whole - sum) {
            snprintf(message, sizeof message, "split: part %d does not fit axis %d of size %" PRId64, i, at,
                     whole);
            return refuse(x, part, n, AG_ERROR_VALUE, message);
        }
        sum += sizes[i];
    }
    if (sum != whole) {
        snprintf(message, sizeof message, "split: the sizes add up to %" PRId64 ", axis %d has size %" PRId64, sum,
                 at, whole);
        return refuse(x, part, n, AG_ERROR_VALUE, message);
    }
    int64_t start = 0;
    for (int i = 0; i < n; i++, start += sizes[i - 1]) part[i] = ag_slice(x, at, start, start + sizes[i], 1);
    return n;
}

int ag_chunk(ag_value x, int64_t chunks, int axis, ag_value *part, int room) {
    int at = 0;
    char message[160];
    const int64_t whole = size_along("chunk", x, axis, part, room, &at);
    if (whole < 0) return no_parts(x, part, room);
    if (chunks < 1) {
        snprintf(message, sizeof message, "chunk: needs at least one chunk, got %" PRId64, chunks);
        return refuse(x, part, room, AG_ERROR_VALUE, message);
    }
    if (whole == 0) return cut("chunk", x, 0, at, chunks, part, room);
    const int64_t size = (whole - 1) / chunks + 1;
    return cut("chunk", x, size, at, (whole - 1) / size + 1, part, room);
}
