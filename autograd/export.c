/* export: sinks, and the writing that the formats share. */
#include "export.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "export_impl.h"
#include "io/file.h"
#include "io/json.h"

/* ---- the buffer ------------------------------------------------------------------------------------------------------- */

void agx_out_init(agx_out *o, ag_sink sink) {
    o->sink = sink;
    o->failed = false;
    o->used = 0;
}

static void flush(agx_out *o) {
    if (o->used && !o->failed) o->failed = !o->sink.write(o->sink.user, o->buffer, o->used);
    o->used = 0;
}

void agx_out_bytes(agx_out *o, const char *text, size_t size) {
    while (size > 0) {
        if (o->used == sizeof o->buffer) flush(o);
        const size_t room = sizeof o->buffer - o->used, n = size < room ? size : room;
        memcpy(o->buffer + o->used, text, n);
        o->used += n;
        text += n;
        size -= n;
    }
}

void agx_out_text(agx_out *o, const char *text) { agx_out_bytes(o, text, strlen(text)); }

void agx_out_format(agx_out *o, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) agx_out_bytes(o, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

ag_status agx_out_end(agx_out *o, ag_error *error) {
    flush(o);
    return o->failed ? ag_fail(error, AG_ERROR_IO, "export: the text could not be written") : AG_OK;
}

/* ---- escaping ------------------------------------------------------------------------------------------------------------ */

/* One ASCII character. In a label Graphviz reads backslashes and, everywhere, HTML's entities. */
static void escape_ascii(agx_out *o, unsigned char c, agx_escape how) {
    const char *backslash = how == AGX_ESCAPE_TEXT ? "\\" : "\\\\";
    if (c == '"' && how != AGX_ESCAPE_TEXT)
        agx_out_text(o, "\\\"");
    else if (c == '\\')
        agx_out_text(o, backslash);
    else if (c == '&' && how == AGX_ESCAPE_DOT)
        agx_out_text(o, "&amp;");
    else if (c >= 0x20 && c != 0x7f)
        agx_out_bytes(o, (const char *)&c, 1);
    else if (how == AGX_ESCAPE_JSON)
        agx_out_format(o, "\\u%04x", c);
    else
        agx_out_format(o, "%sx%02x", backslash, c);
}

void agx_out_escaped(agx_out *o, const char *text, agx_escape how) {
    const char *const end = text + strlen(text);
    size_t valid = agx_utf8_length(text, (size_t)(end - text));
    while (text < end) {
        if (valid > 0) {
            if ((unsigned char)*text < 0x80)
                escape_ascii(o, (unsigned char)*text, how);
            else
                agx_out_bytes(o, text, 1);
            valid--;
        } else { /* not UTF-8: this byte is shown, and the text goes on behind it */
            if (how == AGX_ESCAPE_JSON)
                agx_out_text(o, "\\ufffd");
            else
                agx_out_format(o, "%sx%02x", how == AGX_ESCAPE_DOT ? "\\\\" : "\\", (unsigned char)*text);
            valid = agx_utf8_length(text + 1, (size_t)(end - text - 1));
        }
        text++;
    }
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

/* printf's decimal point is the locale's; ours is a point. */
static void out_number(agx_out *o, const char *format, double x, bool point) {
    char text[40];
    snprintf(text, sizeof text, format, x);
    bool whole = true;
    for (char *c = text; *c; c++) {
        if (!strchr("0123456789+-e", *c)) {
            *c = '.';
            whole = false;
        }
        whole = whole && *c != 'e';
    }
    agx_out_text(o, text);
    if (point && whole) agx_out_text(o, ".0");
}

void agx_out_short(agx_out *o, double x) {
    if (isnan(x))
        agx_out_text(o, "nan");
    else if (isinf(x))
        agx_out_text(o, x > 0 ? "inf" : "-inf");
    else
        out_number(o, "%.6g", x, true);
}

void agx_out_exact(agx_out *o, double x) {
    if (isnan(x))
        agx_out_text(o, "\"NaN\"");
    else if (isinf(x))
        agx_out_text(o, x > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        out_number(o, "%.17g", x, false);
}

/* Every axis that begins or ends at element i has a bracket there. */
void agx_out_array(agx_out *o, const ag_meta *meta, const double *numbers) {
    if (!numbers) {
        char text[AG_META_TEXT];
        agx_out_text(o, ag_meta_text(meta, text, sizeof text));
        return;
    }
    const int64_t count = ag_meta_count(meta);
    if (count == 0) agx_out_text(o, "[]");
    for (int64_t i = 0; i < count; i++) {
        int64_t block = 1;
        int begins = 0, ends = 0;
        for (int d = meta->rank - 1; d >= 0; d--) {
            block *= meta->dim[d];
            begins += i % block == 0;
            ends += (i + 1) % block == 0;
        }
        if (i > 0) agx_out_text(o, ", ");
        for (int d = 0; d < begins; d++) agx_out_text(o, "[");
        agx_out_short(o, numbers[i]);
        for (int d = 0; d < ends; d++) agx_out_text(o, "]");
    }
}

/* ---- sinks ----------------------------------------------------------------------------------------------------------------- */

static bool write_stream(void *user, const void *text, size_t size) { return fwrite(text, 1, size, user) == size; }
ag_sink ag_sink_stream(FILE *stream) { return (ag_sink){.write = write_stream, .user = stream}; }

/* A durable file, which says itself why it failed. */
typedef struct file_sink {
    agx_writer writer;
    ag_error error;
} file_sink;

static bool write_file(void *user, const void *text, size_t size) {
    file_sink *f = user;
    return agx_writer_append(&f->writer, text, size, &f->error) == AG_OK;
}

ag_status ag_export_file(const ag_inspection *seen, ag_exporter *format, const char *path, ag_error *error) {
    file_sink f = {0};
    ag_status status = agx_writer_open(&f.writer, path, error);
    if (status != AG_OK) return status;
    status = format(seen, (ag_sink){.write = write_file, .user = &f}, error);
    if (status == AG_OK) return agx_writer_commit(&f.writer, error);
    agx_writer_abandon(&f.writer);
    return f.error.status != AG_OK ? ag_fail(error, f.error.status, "%s", f.error.message) : status;
}
