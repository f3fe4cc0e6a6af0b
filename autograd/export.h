/* export: an inspected graph as text, as a Graphviz picture, as JSON.
 *
 *     ag_inspection *seen = ag_inspect(loss, NULL, &error);
 *     if (seen) ag_export_text(seen, ag_sink_stream(stdout), &error);
 *     if (seen) ag_export_file(seen, ag_export_dot, "loss.dot", &error);     (then: dot -Tsvg loss.dot)
 *     ag_inspection_free(seen);
 *
 * Labels and scope names may hold anything: every format escapes what it must, bytes that are not UTF-8 included. Numbers
 * do not follow the locale. Not here: how the graph is read (inspect.h). */
#ifndef AUTOGRAD_EXPORT_H
#define AUTOGRAD_EXPORT_H

#include <stdio.h>

#include "inspect.h"

AG_BEGIN_DECLS

/** Where an export goes, piece by piece. write returns false when it cannot; it is not called again. */
typedef struct ag_sink {
    bool (*write)(void *user, const void *text, size_t size);
    void *user;
} ag_sink;
/** Into a stream that the caller opened and closes. */
AG_API ag_sink ag_sink_stream(FILE *stream);

/** An export format.
 *  Errors: AG_ERROR_IO (the sink failed), AG_ERROR_MEMORY */
typedef ag_status ag_exporter(const ag_inspection *seen, ag_sink sink, ag_error *error);

/** For a reader: the forward computation, a line a record, then the sweep, a line a contribution:
 *      dL/da += dL/de * de/da = 1.0 * 3.0 = 3.0, sum 3.0   (de/da = b)
 *  A value goes by its label, else by its id; a root without a label is L. Numbers are rounded to six digits. Where an
 *  operation is not elementwise, the product stands for applying its rule. */
AG_API ag_exporter ag_export_text;
/** For Graphviz: a box a record, an arrow an operand with its local derivative (dashed: not elementwise, or none), a
 *  cluster a scope. Arrays of more than four elements show their shape. */
AG_API ag_exporter ag_export_dot;
/** For programs: {"root", "scopes": [...], "nodes": [...]}, all that inspect.h tells. Numbers have all their digits; those
 *  that JSON cannot write are the strings "NaN", "Infinity" and "-Infinity"; what is left out is null. */
AG_API ag_exporter ag_export_json;

/** Any of these into a file: all of it or, when something fails, none - the old file then stands. */
AG_API ag_status ag_export_file(const ag_inspection *seen, ag_exporter *format, const char *path, ag_error *error);

AG_END_DECLS
#endif
