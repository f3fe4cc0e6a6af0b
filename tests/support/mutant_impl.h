/* mutant_impl: what mutant.c and mutant_rows.c share. */
#ifndef TESTS_SUPPORT_MUTANT_IMPL_H
#define TESTS_SUPPORT_MUTANT_IMPL_H

#include <stdlib.h>

#include "../../autograd/ops/ops_impl.h"
#include "../../autograd/tape_impl.h"
#include "mutant.h"

/** Is this the place of the mistake that is being made? */
bool mutant_is(mutant_place place, mutant_mode mode, const ag_op *op);
/** One more that there is; known ones are passed over. */
void mutant_note(mutant m);

/** The instances of elementwise rows that are generated: note theirs; make this mistake, if it is one of theirs. */
void mutant_note_rows(void);
void mutant_choose_row(const mutant *m);

#endif
