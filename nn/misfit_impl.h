/* misfit_impl: how what a file holds differs from what is wanted, for one line of text: as many items as fit, and a count of
 * those that did not. Internal. */
#ifndef NNX_MISFIT_IMPL_H
#define NNX_MISFIT_IMPL_H

#include <autograd/autograd.h>

enum { NNX_MISFIT_TEXT = 384 };

/** Begin with zeros. */
typedef struct nnx_misfit {
    char text[NNX_MISFIT_TEXT];
    size_t length, count, left_out;
} nnx_misfit;

/** One more item. Control characters, which names in a file may have, become '?'. */
void nnx_misfit_add(nnx_misfit *m, const char *format, ...) AG_PRINTF(2, 3);
/** Compare the tensor that a file has under `name` (NULL: none) with the one wanted; true: it fits. */
bool nnx_misfit_compare(nnx_misfit *m, const char *name, const ag_tensor *want, const ag_tensor *have);
/** AG_ERROR_FORMAT: "<path> does not fit <what>: ..."; AG_OK when nothing was added. */
ag_status nnx_misfit_status(const nnx_misfit *m, const char *path, const char *what, ag_error *error);

#endif
