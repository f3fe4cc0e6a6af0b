/* text: see text.h. */
#include "text.h"

#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const pride[] = {
#include "pride.inc" /* made of pride.txt */
};

static const char mark[] = "\xef\xbb\xbf"; /* of byte order: some editors begin a file with it */

/* Room for n more characters: exactly, or as much again as there was. */
static ag_status reserve(text *t, size_t n, ag_error *error) {
    size_t needed, bytes;
    const size_t had = (size_t)t->room;
    if (!ag_size_add((size_t)t->n, n, &needed)) needed = SIZE_MAX;
    if (needed <= had) return AG_OK;
    if (needed < 2 * had) needed = 2 * had;
    int64_t *larger =
        ag_size_mul(needed, sizeof *larger, &bytes) ? ag_realloc(t->character, had * sizeof *larger, bytes) : NULL;
    if (!larger) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a text");
    t->character = larger;
    t->room = (int64_t)needed;
    return AG_OK;
}

/* Which line byte number `at` stands in, from 1. */
static int64_t line_of(const char *bytes, size_t at) {
    int64_t line = 1;
    for (size_t i = 0; i < at; i++) line += bytes[i] == '\n';
    return line;
}

static ag_status append(text *t, const char *bytes, size_t n, const char *name, ag_error *error) {
    const ag_status status = reserve(t, n, error); /* there are no more characters than bytes */
    if (status != AG_OK) return status;
    size_t length = 0;
    for (size_t at = 0; at < n; at += length) {
        const int64_t character = utf8_read(bytes + at, n - at, &length);
        if (character < 0)
            return ag_fail(error, AG_ERROR_FORMAT,
                           "%s: line %" PRId64
                           ": the byte %02x is not UTF-8 here (iconv can convert other encodings)",
                           name, line_of(bytes, at), (unsigned)(unsigned char)bytes[at]);
        t->character[t->n++] = character;
    }
    return AG_OK;
}

ag_status text_from(const char *bytes, size_t n, const char *name, text *out, ag_error *error) {
    const size_t skipped = n >= sizeof mark - 1 && memcmp(bytes, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
    *out = (text){0};
    const ag_status status = append(out, bytes + skipped, n - skipped, name, error);
    if (status != AG_OK) text_clear(out);
    return status;
}

static ag_status embedded(text *out, ag_error *error) {
    ag_status status = AG_OK;
    for (size_t i = 0; status == AG_OK && i < sizeof pride / sizeof *pride; i++)
        status = append(out, pride[i], strlen(pride[i]), "the text in the program", error);
    if (status != AG_OK) text_clear(out);
    return status;
}

/* All bytes of an open file: *bytes has room for *room of them, and is released by the caller even after an error. */
static ag_status read_bytes(FILE *file, const char *path, char **bytes, size_t *room, size_t *n, ag_error *error) {
    enum { MOST = 1 << 30 };
    for (;;) {
        if (*n == *room) {
            const size_t more = *room > 0 ? 2 * *room : 1 << 16;
            if (more > MOST) return ag_fail(error, AG_ERROR_LIMIT, "%s has more than 1 GiB", path);
            char *larger = ag_realloc(*bytes, *room, more);
            if (!larger) return ag_fail(error, AG_ERROR_MEMORY, "no memory for %s", path);
            *bytes = larger;
            *room = more;
        }
        const size_t got = fread(*bytes + *n, 1, *room - *n, file);
        *n += got;
        if (got > 0) continue;
        return ferror(file) ? ag_fail(error, AG_ERROR_IO, "cannot read %s: %s", path, strerror(errno)) : AG_OK;
    }
}

ag_status text_read(const char *path, text *out, ag_error *error) {
    *out = (text){0};
    if (!path) return embedded(out, error);
    FILE *file = fopen(path, "rb");
    if (!file) return ag_fail(error, AG_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
    char *bytes = NULL;
    size_t room = 0, n = 0;
    ag_status status = read_bytes(file, path, &bytes, &room, &n, error);
    (void)fclose(file); /* what was read is there */
    if (status == AG_OK) status = text_from(bytes, n, path, out, error);
    ag_release(bytes, room);
    return status;
}

void text_clear(text *t) {
    ag_release(t->character, (size_t)t->room * sizeof *t->character);
    *t = (text){0};
}
