/* misfit_impl: how what a file holds differs from what is wanted, for one line of text. Where not all of it fits, the first
 * items are told whole, of those behind them the names, and of the others how many there are. Internal. */
#ifndef NNX_MISFIT_IMPL_H
#define NNX_MISFIT_IMPL_H

#include <autograd/autograd.h>

enum { NNX_MISFIT_TEXT = 384, NNX_MISFIT_PATH = 200 }; /* characters: of the list, and of a path before it */

/** Begin with zeros for a text of its own, with nnx_misfit_of for nnx_misfit_status. */
typedef struct nnx_misfit {
    char text[NNX_MISFIT_TEXT];
    size_t length, count, left_out;
    size_t room;                      /* of `text`, to be used; 0: all                          */
    size_t first_length, first_count; /* of `text`: the items that are told whole in any case   */
    char names[NNX_MISFIT_TEXT];      /* of those behind them                                   */
    size_t names_length, names_count;
} nnx_misfit;

/** An empty one that fits into a message behind this path, however long that is. */
nnx_misfit nnx_misfit_of(const char *path);

/** One more item; its name is what stands between its first quotes, or before " is ". Control characters,
 *  which names in a file may have, become '?'. */
void nnx_misfit_add(nnx_misfit *m, const char *format, ...) AG_PRINTF(2, 3);
/** Compare the tensor that a file has under `name` (NULL: none) with the one wanted; true: it fits. */
bool nnx_misfit_compare(nnx_misfit *m, const char *name, const ag_tensor *want, const ag_tensor *have);
/** The list, with ", and 3 more" behind it where it has no room for all; what is added then is lost. */
void nnx_misfit_text(nnx_misfit *m, char *text, size_t size);
/** Of a list that nnx_misfit_of began: AG_ERROR_FORMAT: "<path> does not fit <what>: ..."; AG_OK when nothing was added. */
ag_status nnx_misfit_status(nnx_misfit *m, const char *path, const char *what, ag_error *error);

#endif
