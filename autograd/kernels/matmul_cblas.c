/* matmul_cblas: matrix products by a CBLAS library. OpenBLAS changes bits with its number of threads, which is
 * process-wide: it is set to one while products run and put back when the last of them ends. */
#include "matmul_backend.h"

#ifdef AGX_HAVE_CBLAS
#include <limits.h>
#include <pthread.h>

#include <cblas.h>

/* OpenBLAS's own; absent from other CBLAS libraries */
extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int n) __attribute__((weak));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users, threads_before; /* under the lock */

void agx_matmul_cblas_begin(void) {
    if (!openblas_get_num_threads || !openblas_set_num_threads) return;
    pthread_mutex_lock(&lock);
    if (users++ == 0) {
        threads_before = openblas_get_num_threads();
        if (threads_before != 1) openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&lock);
}

void agx_matmul_cblas_end(void) {
    if (!openblas_get_num_threads || !openblas_set_num_threads) return;
    pthread_mutex_lock(&lock);
    if (--users == 0 && threads_before != 1) openblas_set_num_threads(threads_before);
    pthread_mutex_unlock(&lock);
}

ag_status agx_matmul_cblas(const agx_matmul *p) {
    if (p->m > INT_MAX || p->n > INT_MAX || p->k > INT_MAX || p->a_rs > INT_MAX || p->b_rs > INT_MAX ||
        p->ldc > INT_MAX)
        return ag_fail(NULL, AG_ERROR_LIMIT, "matrix product (%lld, %lld) (%lld, %lld): sizes beyond CBLAS's int",
                       (long long)p->m, (long long)p->k, (long long)p->k, (long long)p->n);
    const int m = (int)p->m, n = (int)p->n, k = (int)p->k, lda = (int)p->a_rs, ldb = (int)p->b_rs,
              ldc = (int)p->ldc;
    if (p->dtype == AG_F32)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, p->a, lda, p->b, ldb,
                    p->accumulate ? 1.0f : 0.0f, p->c, ldc);
    else
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0, p->a, lda, p->b, ldb,
                    p->accumulate ? 1.0 : 0.0, p->c, ldc);
    return AG_OK;
}
#else
typedef int agx_matmul_cblas_left_out; /* a translation unit may not be empty */
#endif
