/* digits: handwritten digits drawn by the program, for a data set that needs no download.
 *
 * A glyph is a few strokes in a unit box (digits_strokes.def). Drawing a sample: choose a variant, move every
 * point a little, slant, turn, scale and shift the whole, and ink every pixel by its distance to the nearest
 * stroke; then add noise. Sample i is a pure function of (seed, i): its draws are the blocks of the generator
 * from i * BLOCKS_PER_SAMPLE on.
 * Not here: any claim to be MNIST. The samples are meant to be as hard for a small network, not to look alike. */
#include "../data.h"

#include <assert.h>
#include <math.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE };

/* ---- glyphs ------------------------------------------------------------------------------------------- */

enum { MAX_POINTS = 13 };
typedef struct point {
    float x, y;
} point;
typedef enum stroke_kind { STRAIGHT, ROUND } stroke_kind;
typedef struct stroke {
    uint8_t digit, variant, kind, n;
    point p[MAX_POINTS];
} stroke;

static const stroke strokes[] = {
#define P(x, y) {x##f, y##f},
#define STROKE(digit, variant, kind, points)                                                                      \
    {digit, variant, kind, sizeof((point[]){points}) / sizeof(point), {points}},
#include "digits_strokes.def"
#undef STROKE
#undef P
};
enum { STROKES = sizeof strokes / sizeof *strokes };

static uint64_t count_variants(int digit) {
    int last = 0;
    for (int i = 0; i < STROKES; i++)
        if (strokes[i].digit == digit && strokes[i].variant > last) last = strokes[i].variant;
    return (uint64_t)last + 1;
}

/* ---- lines in a field of distances -------------------------------------------------------------------- */

/* A drawing in progress: for every pixel centre the squared distance to the nearest stroke so far. Beyond
 * `reach` of every stroke it keeps its first value, which is larger. */
typedef struct field {
    float squared[PIXELS]; /* (row, column) */
    float reach;
} field;

static int clamp_pixel(float x) { return x < 0 ? 0 : x > SIDE - 1 ? SIDE - 1 : (int)x; }

static void draw_segment(field *f, point a, point b) {
    const float dx = b.x - a.x, dy = b.y - a.y, squared_length = dx * dx + dy * dy;
    const int left = clamp_pixel(fminf(a.x, b.x) - f->reach), right = clamp_pixel(fmaxf(a.x, b.x) + f->reach);
    const int top = clamp_pixel(fminf(a.y, b.y) - f->reach), bottom = clamp_pixel(fmaxf(a.y, b.y) + f->reach);
    for (int row = top; row <= bottom; row++) {
        for (int column = left; column <= right; column++) {
            const float px = (float)column + 0.5f - a.x, py = (float)row + 0.5f - a.y; /* the centre, from a */
            float t = squared_length > 0 ? (px * dx + py * dy) / squared_length : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            const float ex = px - t * dx, ey = py - t * dy, squared = ex * ex + ey * ey;
            float *nearest = &f->squared[row * SIDE + column];
            if (squared < *nearest) *nearest = squared;
        }
    }
}

/* One coordinate of the Catmull-Rom curve from b to c, at t in [0, 1].
 * Source: Catmull and Rom, "A class of local interpolating splines", 1974. */
static float catmull_rom(float a, float b, float c, float d, float t) {
    return 0.5f * (2 * b + t * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * (b - c) + d - a))));
}

static void draw_stroke(field *f, stroke_kind kind, const point *p, int n) {
    const int steps = kind == ROUND ? 6 : 1;
    for (int i = 0; i + 1 < n; i++) {
        const point before = p[i > 0 ? i - 1 : i], after = p[i + 2 < n ? i + 2 : i + 1];
        point from = p[i];
        for (int k = 1; k <= steps; k++) {
            const float t = (float)k / (float)steps;
            const point to = {kind == ROUND ? catmull_rom(before.x, p[i].x, p[i + 1].x, after.x, t) : p[i + 1].x,
                              kind == ROUND ? catmull_rom(before.y, p[i].y, p[i + 1].y, after.y, t) : p[i + 1].y};
            draw_segment(f, from, to);
            from = to;
        }
    }
}

/* ---- one sample --------------------------------------------------------------------------------------- */

/* Keeps images and labels apart from each other and from other uses of the same seed. */
static const uint64_t IMAGE_STREAM = 0x696d616765, LABEL_STREAM = 0x6c6162656c; /* "image", "label" */
enum { BLOCKS_PER_SAMPLE = 1024, BLOCKS_PER_GROUP = 64 };

static float draw_between(ag_random *r, double low, double high) {
    return (float)(low + (high - low) * ag_random_uniform(r));
}

/* From the unit box to pixels. */
typedef struct affine {
    float xx, xy, yx, yy;
} affine;

static affine draw_affine(ag_random *r) {
    const float angle = draw_between(r, -0.21, 0.21); /* 12 degrees */
    const float slant = draw_between(r, -0.25, 0.25);
    const float size = draw_between(r, 0.75, 1.1);
    const float width = 14 * size * draw_between(r, 0.85, 1.15), height = 20 * size;
    const float c = cosf(angle), s = sinf(angle);
    /* rotate . slant . scale */
    return (affine){c * width, (-c * slant - s) * height, s * width, (c - s * slant) * height};
}

static point apply(const affine *m, point p, point centre) {
    const float x = p.x - 0.5f, y = p.y - 0.5f;
    return (point){m->xx * x + m->xy * y + centre.x, m->yx * x + m->yy * y + centre.y};
}

/* Noise near enough to Gaussian: the sum of four bytes has mean 510 and standard deviation 147.8. */
static void add_noise(float *pixel, float deviation, ag_random *r) {
    for (int i = 0; i < PIXELS; i += 4) {
        uint32_t word[4];
        ag_philox(r->seed, r->counter++, word);
        for (int k = 0; k < 4; k++) {
            const uint32_t w = word[k], sum = (w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24);
            pixel[i + k] += deviation * ((float)sum - 510.0f) / 147.8f;
        }
    }
}

static void add_speckles(float *pixel, ag_random *r) {
    const uint64_t speckles = ag_random_below(r, 2) ? ag_random_below(r, 6) : 0;
    for (uint64_t k = 0; k < speckles; k++) {
        const uint64_t where = ag_random_below(r, PIXELS);
        pixel[where] += draw_between(r, -0.8, 0.8);
    }
}

static void draw_digit(int digit, ag_random *r, float *pixel) {
    const int variant = (int)ag_random_below(r, count_variants(digit));
    const float radius = 0.5f * draw_between(r, 1.0, 2.2), ink = draw_between(r, 0.7, 1.0);
    const affine shape = draw_affine(r);
    const point centre = {SIDE / 2 + draw_between(r, -2.5, 2.5), SIDE / 2 + draw_between(r, -2.5, 2.5)};
    const double wobble = draw_between(r, 0.01, 0.05); /* a steady hand, or not */

    field f = {.reach = radius + 1};
    for (int i = 0; i < PIXELS; i++) f.squared[i] = SIDE * SIDE;
    for (int i = 0; i < STROKES; i++) {
        const stroke *s = &strokes[i];
        if (s->digit != digit || s->variant != variant) continue;
        point p[MAX_POINTS];
        for (int k = 0; k < s->n; k++) {
            point moved = s->p[k];
            moved.x += (float)(wobble * ag_random_normal(r));
            moved.y += (float)(wobble * ag_random_normal(r));
            p[k] = apply(&shape, moved, centre);
        }
        draw_stroke(&f, s->kind, p, s->n);
    }
    /* The edge of a stroke covers a pixel by as much as lies inside, over the width of one pixel. */
    for (int i = 0; i < PIXELS; i++) {
        const float inside = radius + 0.5f - sqrtf(f.squared[i]);
        pixel[i] = ink * (inside < 0 ? 0 : inside > 1 ? 1 : inside);
    }
    add_noise(pixel, 0.05f, r);
    add_speckles(pixel, r);
    for (int i = 0; i < PIXELS; i++) pixel[i] = pixel[i] < 0 ? 0 : pixel[i] > 1 ? 1 : pixel[i];
}

/* Each ten samples in a row are the ten digits in an order of their own. */
static int64_t digit_of(int64_t i, uint64_t seed) {
    ag_random r = {seed ^ LABEL_STREAM, (uint64_t)(i / 10) * BLOCKS_PER_GROUP};
    int64_t order[10];
    ag_random_permutation(&r, order, 10);
    return order[i % 10];
}

ag_status nn_dataset_digits(int64_t n, uint64_t seed, nn_dataset *out, ag_error *error) {
    ag_status status = nn_dataset_init(out, n, PIXELS, error);
    if (status != AG_OK) return status;
    float *pixel = ag_tensor_write(out->x);   /* (n, 784) */
    int64_t *label = ag_tensor_write(out->y); /* (n)      */
    for (int64_t i = 0; i < n; i++) {
        const uint64_t first = (uint64_t)i * BLOCKS_PER_SAMPLE;
        ag_random r = {seed ^ IMAGE_STREAM, first};
        label[i] = digit_of(i, seed);
        draw_digit((int)label[i], &r, pixel + i * PIXELS);
        assert(r.counter - first <= BLOCKS_PER_SAMPLE);
    }
    return AG_OK;
}
