/* table: the numbers of a regression - features and a target, from a CSV file or drawn by the program. */
#ifndef EXAMPLES_SUPPORT_TABLE_H
#define EXAMPLES_SUPPORT_TABLE_H

#include <nn/nn.h>

/** Zero-initialise; free with table_clear. */
typedef struct table {
    nn_dataset data;    /* x (rows, features) f64, y (rows) f64: the target */
    nn_csv from;        /* whose names these are                            */
    int64_t features;   /* columns of x                                     */
    const char **names; /* (features)                                       */
    const char *target;
} table;

/** `target` NULL: the last column.
 *  Errors: those of nn_csv_read, which name line and column; AG_ERROR_NAME (no such column: says which there are),
 *          AG_ERROR_VALUE (no column beside the target; the target is the same in every row; too few rows to train,
 *          to know when to stop, and to test) */
ag_status table_read(const char *path, const char *target, table *t, ag_error *error) AG_WARN_UNUSED;
/** Friedman's function of ten uniform numbers, five of which it does not look at, with normal noise:
 *      y = 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 + e
 *  The noise has standard deviation 1, so that no model has a root mean square error below 1 on rows it has not seen.
 *  Source: Friedman 1991, section 4.3 */
ag_status table_friedman(int64_t rows, uint64_t seed, table *t, ag_error *error) AG_WARN_UNUSED;
void table_clear(table *t);

#endif
