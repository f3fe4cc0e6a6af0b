/* vectors: which table of vector kernels is in force, and the workspace that kernels run in.
 *
 * The choice is made at first use: the best level that both this build and this machine have, or the one that the
 * environment variable AG_ISA names. It is the only state here, one atomic pointer to constant data: threads that
 * choose at the same time choose the same. */
#include "kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef AGX_HAVE_OPENMP
#include <omp.h>
#endif

/* A machine that runs one of these runs all those before it. */
static const agx_vectors *const built[] = {
    &agx_vectors_baseline,
#ifdef AGX_LEVEL_NEON
    &agx_vectors_neon,
#endif
#ifdef AGX_LEVEL_AVX2
    &agx_vectors_avx2,
#endif
#ifdef AGX_LEVEL_AVX512
    &agx_vectors_avx512,
#endif
};

static bool machine_runs(const agx_vectors *table) {
#ifdef AGX_LEVEL_AVX2
    if (table == &agx_vectors_avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#ifdef AGX_LEVEL_AVX512
    if (table == &agx_vectors_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    (void)table;
    return true;
}

const agx_vectors *const *agx_vector_levels(int *n) {
    const int count = (int)(sizeof built / sizeof built[0]);
    *n = 1;
    while (*n < count && machine_runs(built[*n])) ++*n;
    return built;
}

static const agx_vectors *choose(void) {
    int n = 0;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    const char *wanted = getenv("AG_ISA");
    if (!wanted || !*wanted) return levels[n - 1];
    for (int i = 0; i < n; i++)
        if (strcmp(levels[i]->level, wanted) == 0) return levels[i];
    return levels[0];
}

static _Atomic(const agx_vectors *) in_force;

const agx_vectors *agx_vector_table(void) {
    const agx_vectors *table = atomic_load_explicit(&in_force, memory_order_relaxed);
    if (AG_LIKELY(table != NULL)) return table;
    table = choose();
    atomic_store_explicit(&in_force, table, memory_order_relaxed);
    return table;
}

void agx_vector_force(const agx_vectors *table) { atomic_store_explicit(&in_force, table, memory_order_relaxed); }

/* ---- the workspace ------------------------------------------------------------------------------------------------- */

void agx_workspace_init(ag_workspace *w, int threads) {
    agx_arena_init(&w->arena);
#ifdef AGX_HAVE_OPENMP
    if (threads < 0) threads = omp_get_max_threads();
#endif
    w->threads = threads > 0 ? threads : 1;
}

void agx_workspace_clear(ag_workspace *w) { agx_arena_clear(&w->arena); }

void *ag_scratch(ag_workspace *work, size_t bytes) {
    return agx_arena_take(&work->arena, bytes > 0 ? bytes : 1, 64);
}

int ag_workspace_threads(const ag_workspace *work) { return work->threads; }
