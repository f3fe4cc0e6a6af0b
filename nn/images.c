/* images: PGM and PPM files, and folders of them.
 *
 * Invariants: memory for a picture is taken only after its header was found to account for every byte that follows; the
 * order of a folder is that of names, never the system's.
 * Left out: the plain kinds P2 and P3, bitmaps, files of several pictures, other formats. */
#define _POSIX_C_SOURCE 200809L

#include "images.h"

#include "file_impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- a picture ---------------------------------------------------------------------------------------------- */

typedef struct picture {
    const unsigned char *at, *end;
    int64_t channels, height, width, largest;
    const char *path;
    ag_error *error;
} picture;

static ag_status malformed(const picture *p, const char *what) {
    return ag_fail(p->error, AG_ERROR_FORMAT, NNX_PATH ": not a valid PGM or PPM file: %s", p->path, what);
}

static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* A number from 1 to `most` behind white space and comments. */
static bool take_number(picture *p, int64_t most, int64_t *number) {
    const unsigned char *before = p->at;
    for (; p->at < p->end && (is_space(*p->at) || *p->at == '#'); p->at++)
        if (*p->at == '#')
            while (p->at + 1 < p->end && p->at[1] != '\n') p->at++;
    if (p->at == before) return false;
    *number = 0;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        *number = *number * 10 + (*p->at - '0');
        if (*number > most) return false;
    }
    return *number > 0;
}

static ag_status read_header(picture *p) {
    enum { MOST_SIZE = 1 << 24, MOST_SAMPLE = 65535 };
    if (p->end - p->at < 2 || p->at[0] != 'P' || (p->at[1] != '5' && p->at[1] != '6'))
        return malformed(p, "it does not begin with P5 or P6");
    p->channels = p->at[1] == '5' ? 1 : 3;
    p->at += 2;
    if (!take_number(p, MOST_SIZE, &p->width)) return malformed(p, "its width is no number from 1 to 2^24");
    if (!take_number(p, MOST_SIZE, &p->height)) return malformed(p, "its height is no number from 1 to 2^24");
    if (!take_number(p, MOST_SAMPLE, &p->largest))
        return malformed(p, "its largest sample is not from 1 to 65535");
    if (p->at == p->end || !is_space(*p->at)) return malformed(p, "no white space behind its header");
    p->at++;
    const int64_t bytes = p->channels * p->width * p->height * (p->largest > 255 ? 2 : 1); /* below 2^51 */
    if (bytes == p->end - p->at) return AG_OK;
    return ag_fail(p->error, AG_ERROR_FORMAT,
                   NNX_PATH ": not a valid PGM or PPM file: its header promises %" PRId64 " bytes, it has %td",
                   p->path, bytes, p->end - p->at);
}

/* Samples interleaved by pixel, into planes. */
static ag_status read_samples(const picture *p, float *to) {
    const int64_t pixels = p->width * p->height;
    const unsigned char *at = p->at;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < p->channels; c++) {
            int64_t sample = *at++;
            if (p->largest > 255) sample = sample << 8 | *at++;
            if (sample > p->largest) return malformed(p, "a sample is above the largest that its header names");
            to[c * pixels + i] = (float)sample / (float)p->largest;
        }
    return AG_OK;
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

/* ---- names in a folder -------------------------------------------------------------------------------------- */

/* Paths, in a block of room for `room` of them. */
typedef struct names {
    char **v;
    int64_t n, room;
} names;

static void names_clear(names *list) {
    for (int64_t i = 0; i < list->n; i++) ag_release_string(list->v[i]);
    ag_release(list->v, (size_t)list->room * sizeof *list->v);
    *list = (names){0};
}

/* folder/name goes to the list's end. */
static bool names_add(names *list, const char *folder, const char *name) {
    if (list->n == list->room) {
        const int64_t room = list->room ? 2 * list->room : 16;
        char **v = ag_realloc(list->v, (size_t)list->room * sizeof *v, (size_t)room * sizeof *v);
        if (!v) return false;
        list->v = v;
        list->room = room;
    }
    const size_t n = strlen(folder);
    char *path = ag_alloc(n + 1 + strlen(name) + 1);
    if (!path) return false;
    memcpy(path, folder, n);
    path[n] = '/';
    strcpy(path + n + 1, name);
    list->v[list->n++] = path;
    return true;
}

static void sift(char **v, int64_t root, int64_t n) {
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && strcmp(v[child], v[child + 1]) < 0) child++;
        if (strcmp(v[root], v[child]) >= 0) return;
        char *held = v[root];
        v[root] = v[child];
        v[child] = held;
    }
}

/* Heap sort: the C library's may take memory past the allocator hook. */
static void names_sort(names *list) {
    for (int64_t i = list->n / 2; i-- > 0;) sift(list->v, i, list->n);
    for (int64_t last = list->n; last-- > 1;) {
        char *held = list->v[0];
        list->v[0] = list->v[last];
        list->v[last] = held;
        sift(list->v, 0, last);
    }
}

static bool is_picture(const char *name) {
    const size_t n = strlen(name);
    return n > 4 && (strcmp(name + n - 4, ".pgm") == 0 || strcmp(name + n - 4, ".ppm") == 0);
}

/* The pictures in a folder, or the folders in it, by name. */
static ag_status list_folder(const char *folder, bool pictures, names *list, ag_error *error) {
    DIR *d = opendir(folder);
    if (!d) return ag_fail(error, AG_ERROR_IO, NNX_PATH ": cannot open the folder: %s", folder, strerror(errno));
    bool kept = true;
    for (const struct dirent *e; kept && (e = readdir(d));)
        if (e->d_name[0] != '.' && (!pictures || is_picture(e->d_name))) kept = names_add(list, folder, e->d_name);
    closedir(d);
    if (!kept) return ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its names", folder);
    struct stat info;
    for (int64_t i = 0; !pictures && i < list->n;) {
        if (stat(list->v[i], &info) == 0 && S_ISDIR(info.st_mode)) {
            i++;
            continue;
        }
        ag_release_string(list->v[i]);
        list->v[i] = list->v[--list->n];
    }
    names_sort(list);
    return AG_OK;
}

/* ---- a folder of classes ------------------------------------------------------------------------------------ */

static ag_status keep_classes(const names *classes, nn_image_folder *out, ag_error *error) {
    out->class_names = ag_alloc_zeroed((size_t)(classes->n + 1) * sizeof *out->class_names);
    out->classes = out->class_names ? classes->n : 0;
    for (int64_t c = 0; c < out->classes; c++)
        if (!(out->class_names[c] = ag_copy_string(strrchr(classes->v[c], '/') + 1))) break;
    if (out->class_names && (classes->n == 0 || out->class_names[classes->n - 1])) return AG_OK;
    return ag_fail(error, AG_ERROR_MEMORY, "names of %" PRId64 " classes", classes->n);
}

/* The pictures of all classes, one class after another; counts[c] of them are of class c. */
static ag_status list_pictures(const names *classes, names *all, int64_t *counts, ag_error *error) {
    for (int64_t c = 0; c < classes->n; c++) {
        names some = {0};
        ag_status status = list_folder(classes->v[c], true, &some, error);
        for (int64_t i = 0; i < some.n && !status; i++)
            if (!names_add(all, classes->v[c], strrchr(some.v[i], '/') + 1))
                status = ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its names", classes->v[c]);
        counts[c] = some.n;
        names_clear(&some);
        if (status) return status;
    }
    return AG_OK;
}

/* The first picture says what the others must be. */
static ag_status read_pictures(const names *all, nn_dataset *d, ag_error *error) {
    for (int64_t i = 0; i < all->n; i++) {
        ag_error own = {0};
        ag_tensor *x = nn_image_read(all->v[i], &own);
        if (!x) return ag_fail(error, own.status, "%s", own.message);
        const ag_meta *meta = ag_tensor_meta(x);
        if (i == 0) {
            d->x = ag_tensor_new(AG_F32, 4, (const int64_t[]){all->n, meta->dim[0], meta->dim[1], meta->dim[2]},
                                 &own);
            if (d->x) d->y = ag_tensor_new(AG_I64, 1, &all->n, &own);
        }
        const bool fits = d->y && memcmp(ag_tensor_meta(d->x)->dim + 1, meta->dim, 3 * sizeof *meta->dim) == 0;
        if (!own.status && !fits)
            ag_fail(&own, AG_ERROR_FORMAT, "is of another size or kind than " NNX_PATH, all->v[0]);
        if (!own.status)
            memcpy((float *)ag_tensor_write(d->x) + i * ag_tensor_count(x), ag_tensor_data(x),
                   ag_meta_bytes(meta));
        ag_tensor_free(x);
        if (own.status) return ag_fail(error, own.status, "%.150s: %s", all->v[i], own.message);
    }
    return AG_OK;
}

ag_status nn_image_folder_read(const char *folder, nn_image_folder *out, ag_error *error) {
    *out = (nn_image_folder){0};
    names classes = {0}, all = {0};
    ag_status status = list_folder(folder, false, &classes, error);
    const size_t room = (size_t)classes.n * sizeof(int64_t);
    int64_t *counts = ag_alloc(room); /* (classes) */
    if (!status && !counts) status = ag_fail(error, AG_ERROR_MEMORY, "counts of %" PRId64 " classes", classes.n);
    if (!status) status = keep_classes(&classes, out, error);
    if (!status) status = list_pictures(&classes, &all, counts, error);
    if (!status && all.n == 0)
        status = ag_fail(error, AG_ERROR_FORMAT, NNX_PATH ": no pictures in folders in it", folder);
    if (!status) status = read_pictures(&all, &out->data, error);
    if (!status) {
        int64_t *y = ag_tensor_write(out->data.y); /* (n) */
        for (int64_t c = 0; c < classes.n; c++)
            for (int64_t i = 0; i < counts[c]; i++) *y++ = c;
    } else {
        nn_image_folder_clear(out);
    }
    ag_release(counts, room);
    names_clear(&classes);
    names_clear(&all);
    return status;
}

void nn_image_folder_clear(nn_image_folder *images) {
    nn_dataset_clear(&images->data);
    for (int64_t c = 0; c < images->classes; c++)
        if (images->class_names[c]) ag_release_string(images->class_names[c]);
    if (images->class_names)
        ag_release(images->class_names, (size_t)(images->classes + 1) * sizeof *images->class_names);
    *images = (nn_image_folder){0};
}
