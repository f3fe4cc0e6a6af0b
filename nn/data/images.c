/* images: PGM and PPM files, binary (P5, P6) and plain (P2, P3).
 *
 * Invariant: memory for a picture is taken only after its header was found to account for every byte that follows, or,
 * where samples are written out, for no more samples than the bytes can hold.
 * Left out: bitmaps, files of several pictures, other formats. Folders: image_folder.c. */
#include "../images.h"

#include "../file_impl.h"

#include <inttypes.h>

typedef struct picture {
    const unsigned char *at, *end;
    bool plain; /* samples are decimal numbers */
    int64_t channels, height, width, largest;
    const char *path;
    ag_error *error;
} picture;

static ag_status malformed(const picture *p, const char *what) {
    return ag_fail(p->error, AG_ERROR_FORMAT, NNX_PATH ": not a valid PGM or PPM file: %s", p->path, what);
}

static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* White space and comments, to the end of their lines; false: there were none. */
static bool skip_space(picture *p) {
    const unsigned char *before = p->at;
    for (; p->at < p->end && (is_space(*p->at) || *p->at == '#'); p->at++)
        if (*p->at == '#')
            while (p->at + 1 < p->end && p->at[1] != '\n') p->at++;
    return p->at > before;
}

/* A number from 0 to `most` behind white space and comments. */
static bool take_number(picture *p, int64_t most, int64_t *number) {
    if (!skip_space(p) || p->at == p->end || *p->at < '0' || *p->at > '9') return false;
    *number = 0;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        *number = *number * 10 + (*p->at - '0');
        if (*number > most) return false;
    }
    return true;
}

static bool take_size(picture *p, int64_t most, int64_t *number) {
    return take_number(p, most, number) && *number;
}

static ag_status wrong_length(const picture *p, const char *what, int64_t promised) {
    return ag_fail(p->error, AG_ERROR_FORMAT,
                   NNX_PATH ": not a valid PGM or PPM file: its header promises %" PRId64 " %s, it has %td bytes",
                   p->path, promised, what, p->end - p->at);
}

static ag_status read_header(picture *p) {
    enum { MOST_SIZE = 1 << 24, MOST_SAMPLE = 65535 };
    const int kind = p->end - p->at > 1 && p->at[0] == 'P' ? p->at[1] : 0;
    if (kind != '2' && kind != '3' && kind != '5' && kind != '6')
        return malformed(p, "it does not begin with P2, P3, P5 or P6");
    p->plain = kind < '4';
    p->channels = kind == '2' || kind == '5' ? 1 : 3;
    p->at += 2;
    if (!take_size(p, MOST_SIZE, &p->width)) return malformed(p, "its width is no number from 1 to 2^24");
    if (!take_size(p, MOST_SIZE, &p->height)) return malformed(p, "its height is no number from 1 to 2^24");
    if (!take_size(p, MOST_SAMPLE, &p->largest)) return malformed(p, "its largest sample is not from 1 to 65535");
    if (p->at == p->end || !(is_space(*p->at) || (p->plain && *p->at == '#')))
        return malformed(p, "no white space behind its header");
    const int64_t samples = p->channels * p->width * p->height; /* below 2^50 */
    if (p->plain)                                               /* each has a digit, and something before it */
        return 2 * samples <= p->end - p->at ? AG_OK : wrong_length(p, "numbers", samples);
    p->at++;
    const int64_t bytes = samples * (p->largest > 255 ? 2 : 1);
    return bytes == p->end - p->at ? AG_OK : wrong_length(p, "bytes", bytes);
}

static bool take_sample(picture *p, int64_t *sample) {
    if (p->plain) return take_number(p, p->largest, sample);
    *sample = *p->at++;
    if (p->largest > 255) *sample = *sample << 8 | *p->at++;
    return *sample <= p->largest;
}

/* Samples interleaved by pixel, into planes. */
static ag_status read_samples(picture *p, float *to) {
    const int64_t pixels = p->width * p->height;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < p->channels; c++) {
            int64_t sample;
            if (!take_sample(p, &sample))
                return malformed(p, p->plain ? "a sample is no number up to the largest that its header names"
                                             : "a sample is above the largest that its header names");
            to[c * pixels + i] = (float)sample / (float)p->largest;
        }
    (void)(p->plain && skip_space(p));
    return p->at == p->end ? AG_OK : malformed(p, "something behind its last sample");
}

ag_tensor *nn_image_read(const char *path, ag_error *error) {
    const size_t limit = (size_t)1 << 30;
    char *bytes;
    size_t size;
    if (nnx_file_read(path, limit, &bytes, &size, error) != AG_OK) return NULL;
    const unsigned char *first = (const unsigned char *)bytes;
    picture p = {.at = first, .end = first + size, .path = path, .error = error};
    ag_error own = {0};
    ag_tensor *x = NULL;
    if (read_header(&p) == AG_OK) {
        x = ag_tensor_new(AG_F32, 3, (const int64_t[]){p.channels, p.height, p.width}, &own);
        if (!x) ag_fail(error, own.status, NNX_PATH ": %s", path, own.message);
    }
    if (x && read_samples(&p, ag_tensor_write(x)) != AG_OK) {
        ag_tensor_free(x);
        x = NULL;
    }
    ag_release(bytes, size + 1);
    return x;
}
