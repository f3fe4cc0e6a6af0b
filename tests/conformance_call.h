/* conformance_call: recording the operation that a case names. */
#ifndef TESTS_CONFORMANCE_CALL_H
#define TESTS_CONFORMANCE_CALL_H

#include "cases.h"

/** Record c->op with c->attrs on `in` (c->inputs.n values; id 0 where the case has null). *n receives how many outputs
 *  there are (room for CASE_ARRAYS). Returns false, with the reason in text, when the operation or an attribute is not
 *  known or the recording fails. */
bool case_call(const op_case *c, ag_tape *t, const ag_value *in, ag_value *out, int *n, char text[CASE_TEXT]);

#endif
