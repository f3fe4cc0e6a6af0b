/* sheet: see sheet.h. */
#include "sheet.h"

#include <string.h>

enum { GAP = 4 }; /* points between two images of a PGM */

static bool is_pgm(const char *path) {
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".pgm") == 0;
}

ag_status sheet_check(const char *path, ag_error *error) {
    if (is_pgm(path)) return ag_file_check(path, error);
    const ag_status status = nn_picture_check(path, error);
    if (status == AG_ERROR_UNSUPPORTED)
        return ag_fail(error, status, "%.300s: this build was made without cairo; a name in .pgm does without it",
                       path);
    return status == AG_ERROR_VALUE
               ? ag_fail(error, status, "%.300s: its name must end in .png, .svg or .pgm", path)
               : status;
}

/* Image i of the gallery, on the sheet (1, height, width). */
static void paste(const nn_gallery *g, int64_t i, ag_tensor *sheet) {
    const int64_t width = ag_tensor_meta(sheet)->dim[2];
    const int64_t left = i % g->columns * (g->width + GAP), top = i / g->columns * (g->height + GAP);
    float *to = ag_tensor_write(sheet);
    for (int64_t y = 0; y < g->height; y++)
        for (int64_t x = 0; x < g->width; x++) {
            const float v = g->images[i][y * g->width + x];
            to[(top + GAP + y) * width + left + GAP + x] = g->ink ? 1 - v : v;
        }
}

static ag_status write_pgm(const char *path, const nn_gallery *g, ag_error *error) {
    const int64_t rows = (g->n + g->columns - 1) / g->columns;
    const int64_t dim[] = {1, rows * (g->height + GAP) + GAP, g->columns * (g->width + GAP) + GAP};
    ag_tensor *sheet = ag_tensor_new(AG_F32, 3, dim, error);
    if (!sheet) return error->status;
    for (int64_t i = 0; i < ag_tensor_count(sheet); i++) ag_tensor_set(sheet, i, 0.8);
    for (int64_t i = 0; i < g->n; i++)
        if (g->images[i]) paste(g, i, sheet);
    const ag_status status = nn_image_write(path, sheet, error);
    ag_tensor_free(sheet);
    return status;
}

ag_status sheet_write(const char *path, const nn_gallery *g, ag_error *error) {
    return is_pgm(path) ? write_pgm(path, g, error) : nn_picture_write(path, &(nn_picture){.gallery = g}, error);
}
