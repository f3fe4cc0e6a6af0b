/* resume: see resume.h. */
#define _POSIX_C_SOURCE 200809L

#include "resume.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool resume_possible(const char *path) { return path && (access(path, F_OK) == 0 || errno != ENOENT); }

void agreed_add(agreed *a, const char *key, const char *format, ...) {
    va_list list;
    va_start(list, format);
    (void)vsnprintf(a->value[a->n], AGREED_SIZE, format, list);
    va_end(list);
    a->word[2 * a->n] = key;
    a->word[2 * a->n + 1] = a->value[a->n];
    a->n++;
}

uint64_t digest(const void *bytes, size_t n, uint64_t start) {
    const unsigned char *byte = bytes;
    uint64_t sum = start;
    for (size_t i = 0; i < n; i++) sum = (sum ^ byte[i]) * UINT64_C(0x100000001b3);
    return sum;
}
