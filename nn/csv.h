/* csv: tables of numbers in text, with a column of class names where there is one. Strict: a value that is missing or
 * no number is an error that names its line and its column.
 * Format: RFC 4180; lines may end in LF alone. */
#ifndef NN_CSV_H
#define NN_CSV_H

#include "data.h"

AG_BEGIN_DECLS

/** How a table is read; all zeros is a usual one, without labels. */
typedef struct nn_csv_options {
    bool f64;                   /* x as f64 instead of f32                                             */
    bool headless;              /* the first line is data, too: columns are then named "1", "2", ...   */
    char separator;             /* 0: a comma                                                          */
    const char *label;          /* the column that holds class names; NULL: none                       */
    const char *const *classes; /* the only classes there may be, in their order; NULL: those found    */
    int64_t class_count;        /* how many are in `classes`                                           */
    size_t limit;               /* bytes of a file; 0: 4 GiB                                           */
} nn_csv_options;

/** A table read. Plain data; everything belongs to it (nn_csv_clear). */
typedef struct nn_csv {
    nn_dataset data;     /* x (rows, columns) f32 or f64; y (rows) i64, or NULL without a label column */
    int64_t columns;     /* of x: all but the label's                                                  */
    char **column_names; /* (columns), NULL behind                                                             */
    int64_t classes;
    char **class_names; /* (classes): y's number i means class_names[i]                               */
} nn_csv;

/** Read a table. NULL options: all zeros. Numbers are decimal, with an optional sign, fraction and exponent, and may
 *  stand between blanks, whatever the locale. Classes found in the file are numbered in the order of their bytes.
 *  Edges:  a table of a header alone has no rows; a byte order mark is skipped; a line break between quotes belongs
 *          to the value
 *  Errors: AG_ERROR_IO (missing, unreadable, not a regular file); AG_ERROR_FORMAT, with line and column: a value that
 *          is missing, no number, or beyond the dtype (NaN and infinities are no values), a row of another length, a
 *          quote out of place, a NUL, a class that is not among the given ones, a column without a name, or with that of
 *          another (tells both places); AG_ERROR_NAME (no column is called `label`); AG_ERROR_VALUE (a separator that is a
 *          quote or ends a line); AG_ERROR_LIMIT (more than 65,536 classes or columns, or too long);
 *          AG_ERROR_MEMORY. On error *out is empty */
NN_API ag_status nn_csv_read(const char *path, const nn_csv_options *options, nn_csv *out,
                             ag_error *error) AG_WARN_UNUSED;
NN_API void nn_csv_clear(nn_csv *csv); /* an empty one is accepted */

AG_END_DECLS
#endif
