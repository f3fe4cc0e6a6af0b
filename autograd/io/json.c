/* json: a pull reader of single tokens (RFC 8259), and the quoting of strings.
 *
 * Invariant: at <= size, and no byte at or past size is read. Numbers are hand-checked digits: no locale, no
 * rounding, no overflow.
 * Left out: fractions, exponents, signs, true, false and null, which no header here may hold. */
#include "json.h"

#include <string.h>

#include "file.h"

ag_status agx_json_fail(const agx_json *j, const char *what) {
    return ag_fail(j->error, AG_ERROR_FORMAT, AGX_PATH ": header byte %zu: %s", j->path, j->at, what);
}

static void skip_space(agx_json *j) {
    while (j->at < j->size) {
        unsigned char c = j->text[j->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
        j->at++;
    }
}

bool agx_json_accept(agx_json *j, char c) {
    skip_space(j);
    if (j->at == j->size || j->text[j->at] != (unsigned char)c) return false;
    j->at++;
    return true;
}

ag_status agx_json_expect(agx_json *j, char c) {
    if (agx_json_accept(j, c)) return AG_OK;
    char what[] = "'?' is expected";
    what[1] = c;
    return agx_json_fail(j, what);
}

ag_status agx_json_end(agx_json *j) {
    skip_space(j);
    return j->at == j->size ? AG_OK : agx_json_fail(j, "nothing may follow the object");
}

ag_status agx_json_natural(agx_json *j, int64_t *out) {
    skip_space(j);
    size_t start = j->at;
    int64_t value = 0;
    for (; j->at < j->size && j->text[j->at] >= '0' && j->text[j->at] <= '9'; j->at++) {
        int digit = j->text[j->at] - '0';
        if (value > (INT64_MAX - digit) / 10) return agx_json_fail(j, "a number is too large");
        value = value * 10 + digit;
    }
    if (j->at == start) return agx_json_fail(j, "a non-negative integer is expected");
    if (j->text[start] == '0' && j->at > start + 1) return agx_json_fail(j, "a number has a leading zero");
    *out = value;
    return AG_OK;
}

/* ---- strings ------------------------------------------------------------------------------------------------ */

/* Four hexadecimal digits at `at`; -1 where there are none. */
static long hex4(const agx_json *j, size_t at) {
    if (j->size - at < 4) return -1;
    long value = 0;
    for (size_t k = 0; k < 4; k++) {
        unsigned char c = j->text[at + k];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

static size_t encode_utf8(long code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int lead[4] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[tail] | code >> (6 * tail));
    for (size_t k = 1; k <= tail; k++) out[k] = (char)(0x80 | (code >> (6 * (tail - k)) & 0x3F));
    return tail + 1;
}

/* The escape after a backslash, at j->at; appends to *out. An escape is never shorter than what it stands for. */
static ag_status unescape(agx_json *j, char **out) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (j->at == j->size) return agx_json_fail(j, "a string does not end");
    unsigned char c = j->text[j->at];
    const char *simple = c ? strchr(names, c) : NULL;
    if (simple) {
        *(*out)++ = values[simple - names];
        j->at++;
        return AG_OK;
    }
    long code = c == 'u' ? hex4(j, j->at + 1) : -1;
    if (code < 0) return agx_json_fail(j, "no such escape");
    size_t length = 5; /* u and four digits */
    if (code >= 0xD800 && code < 0xDC00 && j->size - j->at > 6 && j->text[j->at + 5] == '\\' &&
        j->text[j->at + 6] == 'u') {
        long low = hex4(j, j->at + 7);
        if (low < 0xDC00 || low > 0xDFFF) return agx_json_fail(j, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        length = 11;
    }
    if (code >= 0xD800 && code <= 0xDFFF) return agx_json_fail(j, "half of a surrogate pair");
    if (code == 0) return agx_json_fail(j, "a string holds NUL");
    *out += encode_utf8(code, *out);
    j->at += length;
    return AG_OK;
}

/* Where the string that begins at j->at ends (its closing quote), escapes skipped. */
static size_t closing_quote(const agx_json *j) {
    size_t at = j->at;
    while (at < j->size && j->text[at] != '"') at += j->text[at] == '\\' ? 2 : 1;
    return at < j->size ? at : j->size;
}

ag_status agx_json_string(agx_json *j, agx_arena *arena, const char **out) {
    skip_space(j);
    if (j->at == j->size || j->text[j->at] != '"') return agx_json_fail(j, "a string is expected");
    j->at++;
    size_t room = closing_quote(j) - j->at + 1;
    char *text = agx_arena_take(arena, room, 1), *next = text;
    if (!text)
        return ag_fail(j->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for a string of %zu bytes", j->path, room);
    for (;;) {
        if (j->at == j->size) return agx_json_fail(j, "a string does not end");
        unsigned char c = j->text[j->at];
        if (c < 0x20)
            return agx_json_fail(j, c ? "a string holds a bare control character" : "a string holds NUL");
        j->at++;
        if (c == '"') break;
        if (c != '\\') {
            *next++ = (char)c;
            continue;
        }
        ag_status status = unescape(j, &next);
        if (status) return status;
    }
    *next = '\0';
    *out = text;
    return AG_OK;
}

size_t agx_utf8_length(const void *text, size_t size) {
    const unsigned char *s = text;
    size_t at = 0;
    while (at < size) {
        unsigned char c = s[at];
        size_t tail = c < 0x80                 ? 0
                      : c >= 0xC2 && c <= 0xDF ? 1
                      : (c & 0xF0) == 0xE0     ? 2
                      : c >= 0xF0 && c <= 0xF4 ? 3
                                               : 4;
        if (tail == 4 || size - at <= tail) return at;
        for (size_t k = 1; k <= tail; k++)
            if ((s[at + k] & 0xC0) != 0x80) return at;
        /* The second byte rules out overlong forms, surrogates and what lies past U+10FFFF. */
        if (tail > 1) {
            unsigned char second = s[at + 1];
            if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) ||
                (c == 0xF4 && second > 0x8F))
                return at;
        }
        at += tail + 1;
    }
    return at;
}

size_t agx_json_quote(const char *text, char *out) {
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    if (out) out[n] = '"';
    n++;
    for (const char *c = text; *c; c++) {
        bool control = (unsigned char)*c < 0x20, escaped = *c == '"' || *c == '\\';
        if (out && control) {
            memcpy(out + n, "\\u00", 4);
            out[n + 4] = hex[*c >> 4];
            out[n + 5] = hex[*c & 15];
        } else if (out) {
            out[n] = '\\';
            out[n + escaped] = *c;
        }
        n += control ? 6 : escaped ? 2 : 1;
    }
    if (out) out[n] = '"';
    return n + 1;
}
