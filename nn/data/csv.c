/* csv: tables in text.
 *
 * A file is scanned twice. The first pass checks quotes and the rows' lengths and counts; memory is taken for exactly
 * what it found; the second pass ends each value with a NUL in the file's own bytes, takes doubled quotes out of it
 * there, and converts it.
 * Left out: guessing - of separators, of types, of what a missing value might have been. */
#define _POSIX_C_SOURCE 200809L /* newlocale, uselocale */

#include "../csv.h"

#include "../file_impl.h"
#include "../table_impl.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 65536 };

typedef struct scan {
    char *at, *end;       /* what is left; *end is a NUL of ours              */
    int64_t line, column; /* of the value that comes next, both from 1        */
    char separator;
    const char *path;
    ag_error *error;
} scan;

/* A value: its bytes, and what came behind it. */
typedef struct field {
    char *text, *end;
    int64_t line, column;
    bool quoted, last; /* last: of its row */
} field;

static ag_status fail_at(const scan *s, int64_t line, int64_t column, const char *what) {
    return ag_fail(s->error, AG_ERROR_FORMAT, NNX_PATH ": line %" PRId64 ", column %" PRId64 ": %s", s->path, line,
                   column, what);
}

/* The same of a value, shown on one line whatever is in it. */
static ag_status fail_at_value(const scan *s, const field *f, const char *before, const char *value,
                               const char *after) {
    enum { SHOWN = 60 };
    char text[SHOWN + 1], what[3 * SHOWN];
    snprintf(text, sizeof text, "%s", value);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    snprintf(what, sizeof what, "%s\"%s\" %s", before, text, after);
    return fail_at(s, f->line, f->column, what);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static ag_status scan_quoted(scan *s, field *f) {
    f->quoted = true;
    f->text = ++s->at;
    for (; s->at < s->end; s->at++) {
        if (*s->at == '\n') s->line++;
        if (*s->at == '\0') return fail_at(s, s->line, s->column, "a NUL");
        if (*s->at != '"') continue;
        if (s->at[1] != '"') break;
        s->at++;
    }
    if (s->at == s->end) return fail_at(s, f->line, f->column, "a quote that is never closed");
    f->end = s->at++;
    return AG_OK;
}

static bool ends_line(const scan *s) {
    return s->at == s->end || *s->at == '\n' || (*s->at == '\r' && s->at + 1 < s->end && s->at[1] == '\n');
}

static ag_status scan_plain(scan *s, field *f) {
    f->text = s->at;
    for (; !ends_line(s) && *s->at != s->separator; s->at++) {
        if (*s->at == '\0') return fail_at(s, s->line, s->column, "a NUL");
        if (*s->at == '\r') return fail_at(s, s->line, s->column, "a carriage return that ends no line");
        if (*s->at == '"')
            return fail_at(s, s->line, s->column, "a quote within a value that does not begin with one");
    }
    f->end = s->at;
    return AG_OK;
}

/* The next value, and past what ends it. */
static ag_status scan_field(scan *s, field *f) {
    *f = (field){.line = s->line, .column = s->column};
    const ag_status status = *s->at == '"' ? scan_quoted(s, f) : scan_plain(s, f);
    if (status) return status;
    f->last = ends_line(s);
    if (!f->last && *s->at != s->separator)
        return fail_at(s, s->line, s->column, "something behind a closing quote");
    s->column++;
    if (f->last) {
        s->line++;
        s->column = 1;
        if (s->at < s->end && *s->at == '\r') s->at++;
    }
    if (s->at < s->end) s->at++;
    return AG_OK;
}

/* End the value with a NUL, and make one quote of two. What it overwrites was scanned already. */
static char *settle(field *f) {
    *f->end = '\0';
    if (!f->quoted) return f->text;
    char *to = f->text;
    for (const char *from = f->text; from < f->end; from++) {
        *to++ = *from;
        if (*from == '"') from++;
    }
    *to = '\0';
    return f->text;
}

static const char *skip_digits(const char *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

/* A decimal number between blanks and nothing else. */
static bool is_number(const char *text) {
    const char *at = skip_blanks(text);
    if (*at == '+' || *at == '-') at++;
    const char *whole = at, *after = skip_digits(at);
    ptrdiff_t digits = after - whole;
    at = after;
    if (*at == '.') {
        after = skip_digits(at + 1);
        digits += after - (at + 1);
        at = after;
    }
    if (digits == 0) return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-') at++;
        after = skip_digits(at);
        if (after == at) return false;
        at = after;
    }
    return *skip_blanks(at) == '\0';
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

typedef struct table {
    scan start;            /* at the first row of data */
    int64_t rows, columns; /* the label's among them   */
    int64_t label;         /* its column from 0, or -1 */
    char **labels;         /* (rows), in the file's bytes */
} table;

/* Rows, and whether each has as many values as the first. */
static ag_status count_rows(scan s, int64_t *rows, int64_t *columns) {
    *rows = *columns = 0;
    while (s.at < s.end) {
        field f = {0};
        do {
            const ag_status status = scan_field(&s, &f);
            if (status) return status;
        } while (!f.last);
        if (*rows == 0) *columns = f.column;
        if (*columns > MOST_NAMES)
            return ag_fail(s.error, AG_ERROR_LIMIT, NNX_PATH ": more than %d columns", s.path, MOST_NAMES);
        if (f.column != *columns) {
            char what[100];
            snprintf(what, sizeof what, "the row ends, but the first has %" PRId64 " columns", *columns);
            return fail_at(&s, f.line, f.column, what);
        }
        ++*rows;
    }
    return AG_OK;
}

static ag_status no_memory(const scan *s, const char *what) {
    return ag_fail(s->error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its %s", s->path, what);
}

/* The names so far, with their columns: of two that are one, the second is refused. */
typedef struct named {
    UT_hash_handle hh;
    int64_t column; /* from 1 */
} named;

/* `n` is one more, and stays where it is until HASH_CLEAR. */
static ag_status check_name(const scan *s, const field *f, char *name, named **all, named *n) {
    const named *first = NULL;
    HASH_FIND(hh, *all, name, strlen(name), first);
    if (first) {
        char what[64];
        snprintf(what, sizeof what, "is the name of column %" PRId64 ", too", first->column);
        return fail_at_value(s, f, "", name, what);
    }
    n->column = f->column;
    HASH_ADD_KEYPTR(hh, *all, name, strlen(name), n);
    return n->hh.tbl ? AG_OK : no_memory(s, "header");
}

/* The names of all columns, the label's among them; `table` learns which that is. */
static ag_status read_names(scan *s, const nn_csv_options *o, table *t, nn_csv *out, named **all, named *name_at) {
    for (int64_t k = 0; k < t->columns; k++) {
        char number[24];
        const char *name = number;
        field f = {.line = 1, .column = k + 1};
        snprintf(number, sizeof number, "%" PRId64, k + 1);
        if (!o->headless) {
            const ag_status status = scan_field(s, &f);
            if (status) return status;
            name = settle(&f);
        }
        if (*name == '\0') return fail_at(s, f.line, f.column, "a column without a name");
        if (o->label && strcmp(name, o->label) == 0) t->label = k;
        out->column_names[k] = ag_copy_string(name);
        if (!out->column_names[k]) return no_memory(s, "header");
        const ag_status status = check_name(s, &f, out->column_names[k], all, &name_at[k]);
        if (status) return status;
    }
    if (o->label && t->label < 0)
        return ag_fail(s->error, AG_ERROR_NAME, NNX_PATH ": no column is called \"%.60s\"", s->path, o->label);
    return AG_OK;
}

static ag_status read_header(scan *s, const nn_csv_options *o, table *t, nn_csv *out) {
    out->column_names = ag_alloc_zeroed((size_t)(t->columns + 1) * sizeof *out->column_names);
    if (!out->column_names) return no_memory(s, "header");
    out->columns = t->columns;
    t->label = -1;
    const size_t room = (size_t)t->columns * sizeof(named);
    named *all = NULL, *name_at = ag_alloc_zeroed(room); /* (columns) */
    const ag_status status = name_at ? read_names(s, o, t, out, &all, name_at) : no_memory(s, "header");
    HASH_CLEAR(hh, all);
    ag_release(name_at, room);
    return status;
}

/* The label's column does not count among those of x. */
static void drop_label_name(nn_csv *out, int64_t label) {
    if (label < 0) return;
    const size_t name = sizeof *out->column_names, count = (size_t)out->columns--;
    ag_release_string(out->column_names[label]);
    memmove(out->column_names + label, out->column_names + label + 1, (count - (size_t)label) * name);
    out->column_names =
        ag_realloc(out->column_names, (count + 1) * name, count * name); /* shrinking never fails */
}

static ag_status read_value(const scan *s, field *f, ag_tensor *x, void *to, int64_t i) {
    const char *text = settle(f);
    if (*skip_blanks(text) == '\0') return fail_at(s, f->line, f->column, "the value is missing");
    double value = is_number(text) ? strtod(text, NULL) : NAN;
    const bool wide = ag_tensor_meta(x)->dtype == AG_F64;
    if (!wide && fabs(value) >= 3.4028235677973366e38) value = INFINITY; /* what f32 rounds to infinity */
    if (!isfinite(value))
        return fail_at_value(s, f, "", text, wide ? "is no number, or beyond f64" : "is no number, or beyond f32");
    if (wide)
        ((double *)to)[i] = value;
    else
        ((float *)to)[i] = (float)value;
    return AG_OK;
}

/* A class: there, and, where only some may be, one of these. */
static ag_status check_class(const scan *s, const field *f, const char *name, const nn_csv_options *o) {
    if (*skip_blanks(name) == '\0') return fail_at(s, f->line, f->column, "the class is missing");
    int64_t c = 0;
    while (o->classes && c < o->class_count && strcmp(o->classes[c], name) != 0) c++;
    if (!o->classes || c < o->class_count) return AG_OK;
    return fail_at_value(s, f, "class ", name, "is not among the given");
}

static ag_status read_rows(const table *t, const nn_csv_options *o, nn_csv *out) {
    scan s = t->start;
    void *to = ag_tensor_write(out->data.x); /* (rows, columns without the label's) */
    int64_t i = 0;
    for (int64_t row = 0; row < t->rows; row++)
        for (int64_t k = 0; k < t->columns; k++) {
            field f;
            ag_status status = scan_field(&s, &f);
            if (status) return status;
            if (k == t->label)
                status = check_class(&s, &f, t->labels[row] = settle(&f), o);
            else
                status = read_value(&s, &f, out->data.x, to, i++);
            if (status) return status;
        }
    return AG_OK;
}

/* Numbers are read as in C, wherever the program is at home. */
static ag_status read_rows_in_c(const table *t, const nn_csv_options *o, nn_csv *out) {
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return no_memory(&t->start, "locale");
    const locale_t before = uselocale(plain);
    const ag_status status = read_rows(t, o, out);
    uselocale(before);
    freelocale(plain);
    return status;
}

/* ---- classes ------------------------------------------------------------------------------------------------ */

/* Where `name` is, or belongs, among the first n names in order. */
static int64_t place_of(char *const *names, int64_t n, const char *name) {
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (strcmp(names[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The classes of the file, in the order of their bytes. They are in its bytes until they are copied. */
static ag_status find_classes(const table *t, char **found, int64_t *n) {
    for (int64_t row = 0; row < t->rows; row++) {
        const int64_t at = place_of(found, *n, t->labels[row]);
        if (at < *n && strcmp(found[at], t->labels[row]) == 0) continue;
        if (*n == MOST_NAMES)
            return ag_fail(t->start.error, AG_ERROR_LIMIT, NNX_PATH ": more than %d classes", t->start.path,
                           MOST_NAMES);
        memmove(found + at + 1, found + at, (size_t)(*n - at) * sizeof *found);
        found[at] = t->labels[row];
        ++*n;
    }
    return AG_OK;
}

static ag_status copy_classes(const table *t, const char *const *names, int64_t n, nn_csv *out) {
    out->class_names = ag_alloc_zeroed((size_t)n * sizeof *out->class_names);
    if (!out->class_names) return no_memory(&t->start, "classes");
    out->classes = n;
    for (int64_t c = 0; c < n; c++)
        if (!(out->class_names[c] = ag_copy_string(names[c]))) return no_memory(&t->start, "classes");
    return AG_OK;
}

/* Each is there. Given classes come in any order, so they are looked for one by one; found ones by halving. */
static void number_labels(const table *t, bool given, nn_csv *out) {
    int64_t *y = ag_tensor_write(out->data.y); /* (rows) */
    for (int64_t row = 0; row < t->rows; row++) {
        int64_t c = given ? 0 : place_of(out->class_names, out->classes, t->labels[row]);
        while (strcmp(out->class_names[c], t->labels[row]) != 0) c++;
        y[row] = c;
    }
}

static ag_status read_labels(const table *t, const nn_csv_options *o, nn_csv *out) {
    if (o->classes) {
        const ag_status status = copy_classes(t, o->classes, o->class_count, out);
        if (!status) number_labels(t, true, out);
        return status;
    }
    const size_t room = (size_t)(t->rows < MOST_NAMES ? t->rows : MOST_NAMES) * sizeof(char *);
    char **found = ag_alloc(room);
    if (!found) return no_memory(&t->start, "classes");
    int64_t n = 0;
    ag_status status = find_classes(t, found, &n);
    if (!status) status = copy_classes(t, (const char *const *)found, n, out);
    if (!status) number_labels(t, false, out);
    ag_release(found, room);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static ag_status read_table(scan *s, const nn_csv_options *o, nn_csv *out) {
    table t = {.label = -1};
    ag_error own = {0};
    ag_status status = count_rows(*s, &t.rows, &t.columns);
    if (!status && t.rows == 0) status = fail_at(s, 1, 1, "the file is empty");
    if (!status) status = read_header(s, o, &t, out);
    if (status) return status;
    drop_label_name(out, t.label);
    if (!o->headless) t.rows--;
    t.start = *s;
    const int64_t width = t.label < 0 ? t.columns : t.columns - 1;
    out->data.x = ag_tensor_new(o->f64 ? AG_F64 : AG_F32, 2, (const int64_t[]){t.rows, width}, &own);
    if (out->data.x && t.label >= 0) out->data.y = ag_tensor_new(AG_I64, 1, (const int64_t[]){t.rows}, &own);
    if (own.status) return ag_fail(s->error, own.status, NNX_PATH ": %s", s->path, own.message);
    const size_t room = t.label < 0 ? 0 : (size_t)t.rows * sizeof *t.labels;
    t.labels = ag_alloc(room);
    if (!t.labels) return no_memory(s, "labels");
    status = read_rows_in_c(&t, o, out);
    if (!status && t.label >= 0) status = read_labels(&t, o, out);
    ag_release(t.labels, room);
    return status;
}

ag_status nn_csv_read(const char *path, const nn_csv_options *options, nn_csv *out, ag_error *error) {
    const nn_csv_options usual = {0}, *o = options ? options : &usual;
    const char separator = o->separator ? o->separator : ',';
    *out = (nn_csv){0};
    if (separator == '"' || separator == '\n' || separator == '\r')
        return ag_fail(error, AG_ERROR_VALUE, NNX_PATH ": a separator cannot be a quote or the end of a line",
                       path);
    const uint64_t most = UINT64_C(4) << 30;
    const size_t limit = o->limit ? o->limit : (size_t)(most < SIZE_MAX ? most : SIZE_MAX / 2);
    char *bytes;
    size_t size;
    ag_status status = nnx_file_read(path, limit, &bytes, &size, error);
    if (status) return status;
    const size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    scan s = {bytes + mark, bytes + size, 1, 1, separator, path, error};
    status = read_table(&s, o, out);
    if (status) nn_csv_clear(out);
    ag_release(bytes, size + 1);
    return status;
}

void nn_csv_clear(nn_csv *csv) {
    nn_dataset_clear(&csv->data);
    for (int64_t k = 0; k < csv->columns; k++)
        if (csv->column_names[k]) ag_release_string(csv->column_names[k]);
    for (int64_t c = 0; c < csv->classes; c++)
        if (csv->class_names[c]) ag_release_string(csv->class_names[c]);
    if (csv->column_names) ag_release(csv->column_names, (size_t)(csv->columns + 1) * sizeof *csv->column_names);
    if (csv->class_names) ag_release(csv->class_names, (size_t)csv->classes * sizeof *csv->class_names);
    *csv = (nn_csv){0};
}
