/* cases: reference values as JSON files hold them (tests/data/conformance/README.md gives the form), read strictly.
 *
 * A file is read whole by jansson; a case is taken apart by case_read, which refuses what the form does not name:
 * unknown keys, wrong kinds, data that do not fill their shape. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include <autograd/autograd.h>
#include <jansson.h>

enum { CASE_ARRAYS = 128, CASE_TEXT = 600 }; /* holds an ag_error's message, and some more */

/** An array; `present` is false where the file has null. */
typedef struct case_array {
    bool present;
    ag_dtype kind; /* AG_F64, AG_I64 or AG_BOOL */
    int rank;
    int64_t dim[AG_MAX_RANK], count;
    double *data; /* (count) row-major */
} case_array;

typedef struct case_arrays {
    int n;
    bool present; /* the key was there */
    case_array v[CASE_ARRAYS];
} case_arrays;

/** One operation case. Names and attributes point into the JSON document. */
typedef struct op_case {
    const char *name, *op;
    json_t *attrs;
    case_arrays inputs, outputs, cotangents, grads, directions, second;
} op_case;

/** Fill `c` from a JSON object; false: it is not of the form, and `text` says what is wrong. case_clear either way. */
bool case_read(json_t *object, op_case *c, char text[CASE_TEXT]);
void case_clear(op_case *c);

/** A number, or one of the strings "nan", "inf", "-inf". */
bool case_number(const json_t *value, double *x);

/** The largest finite magnitude in all arrays of a case. */
double case_magnitude(const op_case *c);

#endif
