/* utf8: see utf8.h. */
#include "utf8.h"

#include <stdbool.h>

/* What can be written in 1, 2, 3 and 4 bytes is below these. */
static const int64_t beyond[UTF8_MOST] = {0x80, 0x800, 0x10000, 0x110000};

static bool is_surrogate(int64_t character) { return character >= 0xd800 && character < 0xe000; }

int64_t utf8_read(const char *text, size_t n, size_t *length) {
    if (n == 0) return -1;
    const unsigned char first = (unsigned char)text[0];
    /* The first byte has as many ones before its first 0 as there are bytes; of one alone, none. */
    const size_t bytes = first < 0x80   ? 1
                         : first < 0xc0 ? 0
                         : first < 0xe0 ? 2
                         : first < 0xf0 ? 3
                         : first < 0xf8 ? 4
                                        : 0;
    if (bytes == 0 || bytes > n) return -1;
    int64_t character = bytes == 1 ? first : first & (0x7f >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        const unsigned char next = (unsigned char)text[i];
        if ((next & 0xc0) != 0x80) return -1;
        character = character << 6 | (next & 0x3f);
    }
    const bool longer = bytes > 1 && character < beyond[bytes - 2];
    if (longer || character >= beyond[UTF8_MOST - 1] || is_surrogate(character)) return -1;
    *length = bytes;
    return character;
}

size_t utf8_write(int64_t character, char out[UTF8_MOST]) {
    if (character < 0 || character >= beyond[UTF8_MOST - 1] || is_surrogate(character)) character = 0xfffd;
    size_t bytes = 1;
    while (character >= beyond[bytes - 1]) bytes++;
    if (bytes == 1) {
        out[0] = (char)character;
        return 1;
    }
    static const unsigned char mark[UTF8_MOST + 1] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes; i-- > 1; character >>= 6) out[i] = (char)(0x80 | (character & 0x3f));
    out[0] = (char)(mark[bytes] | character);
    return bytes;
}
