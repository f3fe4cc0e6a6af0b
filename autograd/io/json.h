/* json: the tokens of JSON that file headers need, pulled one by one; and strings written. Internal.
 *
 * There is no document tree and no recursion, so nesting costs nothing: whoever pulls knows what must come next,
 * and anything else is an error there. */
#ifndef AGX_IO_JSON_H
#define AGX_IO_JSON_H

#include "../arena.h"

/** A text being read. Failures are recorded with path and byte. */
typedef struct agx_json {
    const unsigned char *text;
    size_t size, at;
    const char *path;
    ag_error *error;
} agx_json;

/** Record AG_ERROR_FORMAT at the present byte. */
ag_status agx_json_fail(const agx_json *j, const char *what);
/** Skip white space; if the next byte is c, take it and return true. */
bool agx_json_accept(agx_json *j, char c);
ag_status agx_json_expect(agx_json *j, char c) AG_WARN_UNUSED;
/** A string, unescaped into the arena. NUL, bare control characters and lone surrogates are errors. The text must be
 *  UTF-8 (see agx_utf8_length).  Errors: AG_ERROR_FORMAT, AG_ERROR_MEMORY */
ag_status agx_json_string(agx_json *j, agx_arena *arena, const char **out) AG_WARN_UNUSED;
/** An integer from 0 to 2^63 - 1: digits alone, no leading zero. */
ag_status agx_json_natural(agx_json *j, int64_t *out) AG_WARN_UNUSED;
/** Nothing but white space may be left. */
ag_status agx_json_end(agx_json *j) AG_WARN_UNUSED;

/** How many of the bytes, from the first, are valid UTF-8 (RFC 3629: no overlong forms, no surrogates). */
size_t agx_utf8_length(const void *text, size_t size);
/** Write `text`, quoted and escaped, to `out`; returns the bytes it takes (out NULL: only counts). */
size_t agx_json_quote(const char *text, char *out);

#endif
