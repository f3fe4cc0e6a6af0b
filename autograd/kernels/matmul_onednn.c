/* matmul_onednn: matrix products by oneDNN's sgemm, for f32. It changes bits with its number of threads, so it is
 * given one: its threads are OpenMP's, whose number is a property of the calling thread. The OpenMP runtime is
 * asked by name because oneDNN brings it where this library was built without. */
#include "matmul_backend.h"

#ifdef AGX_HAVE_ONEDNN
#include <dnnl.h>

extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int n) __attribute__((weak));

ag_status agx_matmul_onednn(const agx_matmul *p) {
    const bool openmp = omp_get_max_threads && omp_set_num_threads;
    const int threads = openmp ? omp_get_max_threads() : 1;
    if (threads != 1) omp_set_num_threads(1);
    const dnnl_status_t status = dnnl_sgemm('N', 'N', p->m, p->n, p->k, 1.0f, p->a, p->a_rs, p->b, p->b_rs,
                                            p->accumulate ? 1.0f : 0.0f, p->c, p->ldc);
    if (threads != 1) omp_set_num_threads(threads);
    if (status == dnnl_success) return AG_OK;
    return ag_fail(NULL, status == dnnl_out_of_memory ? AG_ERROR_MEMORY : AG_ERROR_UNSUPPORTED,
                   "matrix product (%lld, %lld) (%lld, %lld): oneDNN reports status %d", (long long)p->m,
                   (long long)p->k, (long long)p->k, (long long)p->n, (int)status);
}
#else
typedef int agx_matmul_onednn_left_out; /* a translation unit may not be empty */
#endif
