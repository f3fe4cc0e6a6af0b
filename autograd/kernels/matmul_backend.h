/* matmul_backend: what a library must offer to serve large products. Internal to matmul.c and the library files.
 */
#ifndef AGX_MATMUL_BACKEND_H
#define AGX_MATMUL_BACKEND_H

#include "kernels.h"

/** c = a b [+ c], on one thread, called from several at once. Column strides are 1, row strides at least the
 *  number of columns, m, n, k at least 1. p->bias is not its business. */
#ifdef AGX_HAVE_ONEDNN
ag_status agx_matmul_onednn(const agx_matmul *p); /* f32 */
#endif
#ifdef AGX_HAVE_CBLAS
ag_status agx_matmul_cblas(const agx_matmul *p); /* f32, f64 */
/** Between the two, the library uses one thread. Nests, and may be called from several threads. */
void agx_matmul_cblas_begin(void);
void agx_matmul_cblas_end(void);
#endif

#endif
