/* image_folder: a folder of PGM and PPM files for each class, as a source that reads them when asked, and read whole.
 *
 * Invariant: the order of a folder is that of names, never the system's. */
#define _POSIX_C_SOURCE 200809L

#include "../images.h"

#include "../file_impl.h"
#include "../sort_impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

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

static bool name_before(const void *user, const void *x, const void *y) {
    (void)user;
    return strcmp(*(char *const *)x, *(char *const *)y) < 0;
}

static bool is_picture(const char *name) {
    const size_t n = strlen(name);
    return n > 4 && (strcmp(name + n - 4, ".pgm") == 0 || strcmp(name + n - 4, ".ppm") == 0);
}

static ag_status unreadable(const char *path, const char *what, int why, ag_error *error) {
    return ag_fail(error, AG_ERROR_IO, NNX_PATH ": cannot %s: %s", path, what, strerror(why));
}

/* Whether a path is a folder; a link that leads nowhere is none. *why: what keeps one from knowing, or 0. */
static bool is_folder(const char *path, int *why) {
    struct stat info;
    const bool known = stat(path, &info) == 0;
    *why = known || errno == ENOENT || errno == ELOOP ? 0 : errno;
    return known && S_ISDIR(info.st_mode);
}

/* The pictures in a folder, or the folders in it, by name. */
static ag_status list_folder(const char *folder, bool pictures, names *list, ag_error *error) {
    DIR *d = opendir(folder);
    if (!d) return unreadable(folder, "open the folder", errno, error);
    bool kept = true;
    for (const struct dirent *e; kept && (errno = 0, e = readdir(d));)
        if (e->d_name[0] != '.' && (!pictures || is_picture(e->d_name))) kept = names_add(list, folder, e->d_name);
    int why = errno; /* of the last readdir, where all names were kept */
    closedir(d);
    if (!kept) return ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its names", folder);
    if (why) return unreadable(folder, "read the folder", why, error);
    for (int64_t i = 0; !pictures && i < list->n;) {
        if (is_folder(list->v[i], &why)) {
            i++;
            continue;
        }
        if (why) return unreadable(list->v[i], "examine", why, error);
        ag_release_string(list->v[i]);
        list->v[i] = list->v[--list->n];
    }
    nnx_sort(list->v, list->n, sizeof *list->v, name_before, NULL);
    return AG_OK;
}

/* ---- a folder of classes ------------------------------------------------------------------------------------ */

static ag_status copy_names(const names *classes, char ***to, ag_error *error) {
    char **copy = ag_alloc_zeroed((size_t)(classes->n + 1) * sizeof *copy);
    bool done = copy != NULL;
    for (int64_t c = 0; c < classes->n && done; c++)
        done = (copy[c] = ag_copy_string(strrchr(classes->v[c], '/') + 1)) != NULL;
    *to = copy;
    return done ? AG_OK : ag_fail(error, AG_ERROR_MEMORY, "names of %" PRId64 " classes", classes->n);
}

static void free_names(char **copy, int64_t n) {
    for (int64_t c = 0; c < n; c++)
        if (copy && copy[c]) ag_release_string(copy[c]);
    ag_release(copy, (size_t)(n + 1) * sizeof *copy);
}

/* The pictures of all classes, one class after another; the first last[c] are of the classes up to c. */
static ag_status list_pictures(const names *classes, names *all, int64_t *last, ag_error *error) {
    for (int64_t c = 0; c < classes->n; c++) {
        names some = {0};
        ag_status status = list_folder(classes->v[c], true, &some, error);
        for (int64_t i = 0; i < some.n && !status; i++)
            if (!names_add(all, classes->v[c], strrchr(some.v[i], '/') + 1))
                status = ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its names", classes->v[c]);
        last[c] = all->n;
        names_clear(&some);
        if (status) return status;
    }
    return AG_OK;
}

static int64_t class_of(const nn_image_source *s, int64_t i) {
    int64_t c = 0;
    while (i >= s->last[c]) c++;
    return c;
}

static int64_t source_size(nn_source *s) { return ((const nn_image_source *)s)->n; }

static ag_status source_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const nn_image_source *from = (const nn_image_source *)s;
    const double label = (double)class_of(from, i);
    (void)draws;
    out->x = nn_image_read(from->path[i], error);
    out->y = out->x ? ag_tensor_from(AG_I64, 0, NULL, &label, error) : NULL;
    return out->y ? AG_OK : error->status;
}

ag_status nn_image_source_open(const char *folder, nn_image_source *out, ag_error *error) {
    *out = (nn_image_source){.source = {source_size, source_sample, NULL}};
    names classes = {0}, all = {0};
    ag_status status = list_folder(folder, false, &classes, error);
    if (!status) {
        out->classes = classes.n;
        out->last = ag_alloc((size_t)classes.n * sizeof *out->last);
        status = copy_names(&classes, &out->class_names, error);
    }
    if (!status && !out->last)
        status = ag_fail(error, AG_ERROR_MEMORY, "counts of %" PRId64 " classes", classes.n);
    if (!status) status = list_pictures(&classes, &all, out->last, error);
    if (!status && all.n == 0)
        status = ag_fail(error, AG_ERROR_FORMAT, NNX_PATH ": no pictures in folders in it", folder);
    out->path = all.v;
    out->n = all.n;
    out->room = all.room;
    names_clear(&classes);
    if (status) nn_image_source_clear(out);
    return status;
}

void nn_image_source_clear(nn_image_source *s) {
    names_clear(&(names){s->path, s->n, s->room});
    free_names(s->class_names, s->classes);
    ag_release(s->last, (size_t)s->classes * sizeof *s->last);
    *s = (nn_image_source){.source = {source_size, source_sample, NULL}};
}

/* ---- read whole --------------------------------------------------------------------------------------------- */

/* Picture i. The first one says what the others must be. */
static ag_status read_picture(const nn_image_source *from, int64_t i, nn_dataset *d, ag_error *error) {
    ag_error own = {0};
    ag_tensor *x = nn_image_read(from->path[i], &own);
    if (!x) return ag_fail(error, own.status, "%s", own.message);
    const ag_meta *meta = ag_tensor_meta(x);
    if (i == 0) {
        d->x =
            ag_tensor_new(AG_F32, 4, (const int64_t[]){from->n, meta->dim[0], meta->dim[1], meta->dim[2]}, &own);
        if (d->x) d->y = ag_tensor_new(AG_I64, 1, &from->n, &own);
    }
    const bool fits = d->y && memcmp(ag_tensor_meta(d->x)->dim + 1, meta->dim, 3 * sizeof *meta->dim) == 0;
    if (!own.status && !fits)
        ag_fail(&own, AG_ERROR_FORMAT, "is of another size or kind than " NNX_PATH, from->path[0]);
    if (!own.status) {
        memcpy((float *)ag_tensor_write(d->x) + i * ag_tensor_count(x), ag_tensor_data(x), ag_meta_bytes(meta));
        ((int64_t *)ag_tensor_write(d->y))[i] = class_of(from, i);
    }
    ag_tensor_free(x);
    return own.status ? ag_fail(error, own.status, "%.150s: %s", from->path[i], own.message) : AG_OK;
}

ag_status nn_image_folder_read(const char *folder, nn_image_folder *out, ag_error *error) {
    *out = (nn_image_folder){0};
    nn_image_source from;
    ag_status status = nn_image_source_open(folder, &from, error);
    for (int64_t i = 0; i < from.n && !status; i++) status = read_picture(&from, i, &out->data, error);
    if (!status) {
        out->classes = from.classes;
        out->class_names = from.class_names; /* ours now */
        from.class_names = NULL;
    } else {
        nn_dataset_clear(&out->data);
    }
    nn_image_source_clear(&from);
    return status;
}

void nn_image_folder_clear(nn_image_folder *images) {
    nn_dataset_clear(&images->data);
    free_names(images->class_names, images->classes);
    *images = (nn_image_folder){0};
}
