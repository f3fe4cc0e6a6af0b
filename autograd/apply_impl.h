/* apply_impl: one operation while it is being recorded. */
#ifndef AGX_APPLY_IMPL_H
#define AGX_APPLY_IMPL_H

#include "tape_impl.h"

/* All that lives only while one operation is being recorded. */
typedef struct agx_call {
    ag_tape *t;
    const ag_op *op;
    const ag_value *in;
    uint32_t n;
    const void *attrs;
    ag_array *arrays;      /* (n) operands as forward sees them */
    const ag_meta **metas; /* (n) */
    agx_record *record[4]; /* outputs */
    bool again;            /* run again for a sweep */
    bool draws;            /* its random numbers come from the tape's generator */
    ag_error *error;       /* not in here: an initialiser would clear all of its text */
} agx_call;

#endif
