/* vocabulary: see vocabulary.h. */
#include "vocabulary.h"

#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *x, const void *y) {
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

ag_status vocabulary_of(const int64_t *character, int64_t n, vocabulary *out, ag_error *error) {
    const size_t bytes = (size_t)n * sizeof *character;
    int64_t *all = ag_alloc(bytes);
    if (!all) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a vocabulary");
    if (n > 0) memcpy(all, character, bytes);
    qsort(all, (size_t)n, sizeof *all, ascending);
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++)
        if (found == 0 || all[i] != all[found - 1]) all[found++] = all[i];
    int64_t *kept = ag_realloc(all, bytes, (size_t)found * sizeof *all); /* shrinks, and so does not fail */
    *out = (vocabulary){found, kept ? kept : all};
    return AG_OK;
}

void vocabulary_clear(vocabulary *v) {
    ag_release(v->character, (size_t)v->n * sizeof *v->character);
    *v = (vocabulary){0};
}

int64_t vocabulary_find(const vocabulary *v, int64_t character) {
    if (v->n == 0) return -1;
    const int64_t *at = bsearch(&character, v->character, (size_t)v->n, sizeof character, ascending);
    return at ? at - v->character : -1;
}

ag_status vocabulary_number(const vocabulary *v, int64_t *character, int64_t n, const char *what,
                            ag_error *error) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t number = vocabulary_find(v, character[i]);
        if (number < 0) {
            char bytes[UTF8_MOST + 1] = {0};
            utf8_write(character[i], bytes);
            return ag_fail(error, AG_ERROR_VALUE,
                           "%s has the character '%s' (U+%04" PRIX64 "), which the network does not know", what,
                           character[i] < ' ' ? "" : bytes, (uint64_t)character[i]);
        }
        character[i] = number;
    }
    return AG_OK;
}
