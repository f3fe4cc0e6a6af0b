/* export_impl: what the formats share - a buffer before the sink, escaping, numbers. Internal. */
#ifndef AGX_EXPORT_IMPL_H
#define AGX_EXPORT_IMPL_H

#include "export.h"

/** Text on its way to a sink. After a failure nothing more is written, so that writers need no check a call. */
typedef struct agx_out {
    ag_sink sink;
    bool failed;
    size_t used;
    char buffer[4096];
} agx_out;

void agx_out_init(agx_out *o, ag_sink sink);
void agx_out_bytes(agx_out *o, const char *text, size_t size);
void agx_out_text(agx_out *o, const char *text);
void agx_out_format(agx_out *o, const char *format, ...)
    AG_PRINTF(2, 3); /* at most 200 bytes: no texts of users */
/** Hand over what is left.  Errors: AG_ERROR_IO */
ag_status agx_out_end(agx_out *o, ag_error *error);

/** A text of the user's as it may stand in a line of text, inside the quotes of a DOT label, inside those of JSON. */
typedef enum agx_escape { AGX_ESCAPE_TEXT, AGX_ESCAPE_DOT, AGX_ESCAPE_JSON } agx_escape;
void agx_out_escaped(agx_out *o, const char *text, agx_escape how);

/** Six digits, and a point in any case: "3.0", "0.25", "1e+20", "nan". */
void agx_out_short(agx_out *o, double x);
/** All digits, as JSON. */
void agx_out_exact(agx_out *o, double x);
/** Numbers of the layout's shape, "[[1.0, 2.0], [3.0, 4.0]]"; numbers NULL: dtype and shape alone. */
void agx_out_array(agx_out *o, const ag_meta *meta, const double *numbers);

#endif
