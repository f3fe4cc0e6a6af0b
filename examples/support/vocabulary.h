/* vocabulary: the characters that a text is made of, in the order of Unicode, with a number for each from 0. */
#ifndef EXAMPLES_SUPPORT_VOCABULARY_H
#define EXAMPLES_SUPPORT_VOCABULARY_H

#include <autograd/autograd.h>

/** Begin with zeros; free with vocabulary_clear. */
typedef struct vocabulary {
    int64_t n;
    int64_t *character; /* (n) ascending: code points */
} vocabulary;

/** Those among n characters, at least one; they may repeat.
 *  Errors: AG_ERROR_MEMORY */
ag_status vocabulary_of(const int64_t *character, int64_t n, vocabulary *out, ag_error *error) AG_WARN_UNUSED;
void vocabulary_clear(vocabulary *v);

/** The number of a character; -1: it is not there. */
int64_t vocabulary_find(const vocabulary *v, int64_t character);
/** Characters into their numbers, in place. `what` they are of: for the message.
 *  Errors: AG_ERROR_VALUE (one is not in the vocabulary: names the first) */
ag_status vocabulary_number(const vocabulary *v, int64_t *character, int64_t n, const char *what,
                            ag_error *error) AG_WARN_UNUSED;

#endif
