/* utf8: Unicode's characters as bytes of a text, and back. */
#ifndef EXAMPLES_SUPPORT_UTF8_H
#define EXAMPLES_SUPPORT_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_MOST = 4 };

/** The character at the start of the n bytes at `text`, and in *length how many of them it takes; -1: there is none,
 *  for it is cut off, longer than it need be, a surrogate, above U+10FFFF, or no UTF-8 at all.
 *  Source: RFC 3629 */
int64_t utf8_read(const char *text, size_t n, size_t *length);
/** The bytes of a character, and how many; one that cannot be is written as U+FFFD. */
size_t utf8_write(int64_t character, char out[UTF8_MOST]);

#endif
