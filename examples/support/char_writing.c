/* char_writing: a network writes; see char_run.h. It is asked what comes next, one of its answers is drawn, and it
 * reads that as if it had stood there. */
#include "char_run.h"

#include "output.h"
#include "sampling.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

static void print(const char_run *r, int64_t number) {
    char bytes[UTF8_MOST];
    const int64_t character = r->vocabulary.character[number];
    (void)fwrite(bytes, 1, utf8_write(character, bytes), stdout);
    if (character == '\n') fflush(stdout); /* looked at as it grows; errors are found in the end */
}

/* What stands behind n numbers: drawn by the network's logits. */
static ag_status draw(char_run *r, const int64_t *number, int64_t n, ag_random *random, int64_t *next,
                      ag_error *error) {
    ag_tensor *x = ag_tensor_new(AG_I64, 2, (const int64_t[]){1, n}, error);
    if (!x) return error->status;
    nn_pass pass = {r->tape, false};
    memcpy(ag_tensor_write(x), number, (size_t)n * sizeof *number);
    ag_no_grad_begin(r->tape);
    const ag_value logits = nn_forward(r->net, &pass, ag_constant(r->tape, x)); /* (1, n, characters) */
    ag_no_grad_end(r->tape);
    const float *last = ag_data(ag_reshape(ag_slice(logits, 1, n - 1, n, 1), 1, &r->vocabulary.n));
    if (last) *next = sample(last, r->vocabulary.n, r->set.temperature, random);
    ag_tensor_free(x);
    return char_run_rewind(r, AG_OK, error);
}

/* The prompt, or a line's beginning, with room for what is written. */
static int64_t *beginning(const char_run *r, int64_t *n, int64_t *room, ag_error *error) {
    *n = r->prompt.n > 0 ? r->prompt.n : 1;
    *room = *n + r->set.length;
    int64_t *number = ag_alloc((size_t)*room * sizeof *number);
    if (!number) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "no memory for what is written");
        return NULL;
    }
    const int64_t line_end = vocabulary_find(&r->vocabulary, '\n');
    number[0] = line_end < 0 ? 0 : line_end;
    if (r->prompt.n > 0) memcpy(number, r->prompt.character, (size_t)*n * sizeof *number);
    return number;
}

ag_status char_run_write(char_run *r, ag_error *error) {
    int64_t n, room;
    int64_t *number = beginning(r, &n, &room, error); /* (room), of which n are there */
    if (!number) return error->status;
    ag_random random = char_run_draws(r);
    ag_status status = AG_OK;
    int64_t unread = n; /* of a network that remembers */
    for (int64_t i = 0; i < r->prompt.n; i++) print(r, number[i]);
    char_run_forget(r);
    while (status == AG_OK && n < room) {
        const int64_t window = n < r->set.context ? n : r->set.context, read = r->states > 0 ? unread : window;
        status = draw(r, number + n - read, read, &random, &number[n], error);
        if (status != AG_OK) break;
        print(r, number[n++]);
        unread = 1;
    }
    const int64_t line_end = vocabulary_find(&r->vocabulary, '\n');
    if ((r->prompt.n > 0 || r->set.length > 0) && number[n - 1] != line_end) printf("\n");
    ag_release(number, (size_t)room * sizeof *number);
    if (status == AG_OK && !output_whole())
        return ag_fail(error, AG_ERROR_IO, "cannot write to the standard output");
    return status;
}
