/* text: a text as characters: a file's, or the one that is in the program.
 *
 * That one is the beginning, chapters 1 to 7, of "Pride and Prejudice" by Jane Austen, first published in London in
 * 1813, which is in the public domain. The underscores stand around what was printed in italics. */
#ifndef EXAMPLES_SUPPORT_TEXT_H
#define EXAMPLES_SUPPORT_TEXT_H

#include <autograd/autograd.h>

/** Begin with zeros; free with text_clear. */
typedef struct text {
    int64_t n;
    int64_t *character; /* (n) code points */
    int64_t room;       /* private         */
} text;

/** The characters of a file in UTF-8, without a byte order mark; NULL: the text in the program.
 *  Errors: AG_ERROR_IO, AG_ERROR_FORMAT (not UTF-8: says in which line), AG_ERROR_LIMIT (above 1 GiB),
 *          AG_ERROR_MEMORY */
ag_status text_read(const char *path, text *out, ag_error *error) AG_WARN_UNUSED;
/** The same of n bytes in memory; `name` is for messages. */
ag_status text_from(const char *bytes, size_t n, const char *name, text *out, ag_error *error) AG_WARN_UNUSED;
void text_clear(text *t);

#endif
