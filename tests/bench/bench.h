/* bench: a step to be timed, beside a floor that no engine can go below. */
#ifndef BENCH_H
#define BENCH_H

#include <nn/nn.h>

typedef void bench_work(void *state);

typedef struct bench_case {
    const char *name; /* bench_torch.py has the same names */
    const char *floor_name;
    void *(*create)(void); /* the state of both; does not return without one */
    bench_work *step, *floor;
    void (*destroy)(void *state);
} bench_case;

enum { BENCH_MOONS = 2, BENCH_MLPS = 6, BENCH_NETWORKS = 3 };
extern const bench_case bench_moons[BENCH_MOONS];       /* scalars                          */
extern const bench_case bench_mlps[BENCH_MLPS];         /* matrices, small and large        */
extern const bench_case bench_networks[BENCH_NETWORKS]; /* images, sequences, transformers  */

extern volatile double bench_sink; /* results go here, so that the compiler leaves out nothing that is measured */
_Noreturn void bench_fail(const char *what, const char *message);
void *bench_need(void *p, const char *what, const ag_error *error); /* p, which must not be NULL */
ag_tape *bench_tape(void);                                          /* of one thread             */

#endif
