/* source: the library's own sources, what is random in them, and collation. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "source_support.h"

static ag_status sample_of(nn_source *s, int64_t i, nn_sample *out, ag_error *error) {
    ag_random draws = nn_sample_draws(1, 0, i);
    return nn_source_sample(s, i, &draws, out, error);
}

static double first_of(nn_source *s, int64_t i) {
    nn_sample sample;
    ag_error error = {0};
    ck_assert_msg(sample_of(s, i, &sample, &error) == AG_OK, "%s", error.message);
    const double x = ag_tensor_get(sample.x, 0);
    nn_sample_clear(&sample);
    return x;
}

static void check_refused(nn_source *s, int64_t i, ag_status status, const char *text) {
    nn_sample sample;
    ag_error error = {0};
    ck_assert_int_eq(sample_of(s, i, &sample, &error), status);
    ck_assert_int_eq(error.status, status);
    ck_assert_msg(strstr(error.message, text) != NULL, "%s", error.message);
    ck_assert(!sample.x && !sample.y);
}

/* ---- samples ------------------------------------------------------------------------------------------------------ */

START_TEST(a_tensor_that_is_there_twice_is_freed_once) {
    counting_allocator_install();
    nn_sample s = {.x = ag_tensor_new(AG_F32, 0, NULL, NULL)};
    s.y = s.more[3] = s.x;
    nn_sample_clear(&s);
    ck_assert(!s.x && !s.y && !s.more[3]);
    ck_assert_int_eq(counting_allocator_live(), 0);
    nn_sample_clear(&s);
}
END_TEST

START_TEST(every_seed_epoch_and_sample_has_draws_of_its_own) {
    double seen[3 * 3 * 3];
    int n = 0;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int64_t epoch = 0; epoch < 3; epoch++)
            for (int64_t i = 0; i < 3; i++) {
                ag_random draws = nn_sample_draws(seed, epoch, i), again = nn_sample_draws(seed, epoch, i);
                seen[n] = ag_random_uniform(&draws);
                ck_assert(seen[n] == ag_random_uniform(&again));
                for (int k = 0; k < n; k++) ck_assert(seen[k] != seen[n]);
                n++;
            }
}
END_TEST

/* ---- sources ------------------------------------------------------------------------------------------------------- */

START_TEST(rows_of_a_dataset_are_samples) {
    nn_dataset d = {ag_tensor_new(AG_F64, 3, (const int64_t[]){4, 2, 3}, NULL),
                    ag_tensor_new(AG_I64, 1, (const int64_t[]){4}, NULL)};
    for (int64_t i = 0; i < 24; i++) ck_assert_int_eq(ag_tensor_set(d.x, i, (double)i), AG_OK);
    for (int64_t i = 0; i < 4; i++) ck_assert_int_eq(ag_tensor_set(d.y, i, (double)-i), AG_OK);
    nn_dataset_source s = nn_source_of_dataset(&d);
    ck_assert_int_eq(nn_source_size(&s.source), 4);
    nn_sample sample;
    ck_assert_int_eq(sample_of(&s.source, 2, &sample, NULL), AG_OK);
    const ag_meta *meta = ag_tensor_meta(sample.x);
    ck_assert(meta->dtype == AG_F64 && meta->rank == 2 && meta->dim[0] == 2 && meta->dim[1] == 3);
    for (int64_t i = 0; i < 6; i++) ck_assert(ag_tensor_get(sample.x, i) == (double)(12 + i));
    ck_assert(ag_tensor_meta(sample.y)->rank == 0 && ag_tensor_get(sample.y, 0) == -2);
    nn_sample_clear(&sample);
    check_refused(&s.source, 4, AG_ERROR_INDEX, "sample 4 of a source that has 4");
    check_refused(&s.source, -1, AG_ERROR_INDEX, "sample -1");
    nn_dataset itself = {d.x, d.x}; /* targets of any shape */
    s = nn_source_of_dataset(&itself);
    ck_assert_int_eq(sample_of(&s.source, 2, &sample, NULL), AG_OK);
    ck_assert(ag_tensor_meta(sample.y)->rank == 2 && ag_tensor_get(sample.y, 5) == 17);
    nn_sample_clear(&sample);
    nn_dataset odd = {d.x, ag_tensor_new(AG_I64, 1, (const int64_t[]){3}, NULL)};
    s = nn_source_of_dataset(&odd);
    check_refused(&s.source, 0, AG_ERROR_SHAPE, "y is NULL or has as many");
    ck_assert_ptr_null(nn_batcher_of(&s.source, NULL, NULL));
    ag_tensor_free(odd.y);
    nn_dataset_clear(&d);
    s = nn_source_of_dataset(&d);
    ck_assert_int_eq(nn_source_size(&s.source), 0);
}
END_TEST

START_TEST(parts_and_sums_of_sources_keep_their_order) {
    static const int64_t chosen[] = {7, 2, 2}, outside[] = {1, 10};
    tale t = tale_of(10), none = tale_of(0), few = tale_of(2);
    nn_subset_source part = nn_source_subset(&t.source, chosen, 3),
                     wrong = nn_source_subset(&t.source, outside, 2);
    nn_source *all[] = {&few.source, &none.source, &part.source, &few.source};
    nn_concat_source sum = nn_source_concat(all, 4);
    static const double expected[] = {0, 1, 7, 2, 2, 0, 1};
    ck_assert_int_eq(nn_source_size(&part.source), 3);
    ck_assert_int_eq(nn_source_size(&sum.source), 7);
    for (int64_t i = 0; i < 7; i++) ck_assert(first_of(&sum.source, i) == expected[i]);
    check_refused(&sum.source, 7, AG_ERROR_INDEX, "sample 7");
    check_refused(&wrong.source, 1, AG_ERROR_INDEX, "number 10 behind the subset");
    t.fails_at = 2;
    check_refused(&sum.source, 3, AG_ERROR_IO, "number 1 of part 2: number 2 behind the subset: the film is torn");
    nn_concat_source nothing = nn_source_concat(NULL, 0);
    ck_assert_int_eq(nn_source_size(&nothing.source), 0);
}
END_TEST

START_TEST(a_part_of_a_dataset_is_gathered_by_rows) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_blobs(20, 3, 4, 1, 2, &d, NULL), AG_OK);
    static int64_t chosen[] = {19, 3, 3, 0, 7, 11, 5};
    nn_dataset_source s = nn_source_of_dataset(&d), one_by_one = s;
    one_by_one.source.batch = NULL;
    nn_subset_source quick = nn_source_subset(&s.source, chosen, 7),
                     slow = nn_source_subset(&one_by_one.source, chosen, 7);
    ck_assert(quick.source.batch && !slow.source.batch);
    const nn_batcher_options o = {.batch = 3, .shuffle = true, .seed = 2};
    nn_batcher *a = nn_batcher_of(&quick.source, &o, NULL), *b = nn_batcher_of(&slow.source, &o, NULL);
    ag_tensor *x[2], *y[2];
    for (int k = 0; k < 3; k++) {
        ck_assert(nn_batcher_next(a, &x[0], &y[0]) && nn_batcher_next(b, &x[1], &y[1]));
        ck_assert(ag_meta_same_shape(ag_tensor_meta(x[0]), ag_tensor_meta(x[1])));
        ck_assert_mem_eq(ag_tensor_data(x[0]), ag_tensor_data(x[1]), ag_meta_bytes(ag_tensor_meta(x[0])));
        ck_assert_mem_eq(ag_tensor_data(y[0]), ag_tensor_data(y[1]), ag_meta_bytes(ag_tensor_meta(y[0])));
    }
    ck_assert(!nn_batcher_next(a, &x[0], NULL) && !nn_batcher_next(b, &x[0], NULL));
    ag_error error = {0};
    chosen[4] = 20;
    nn_batcher_start(a, 1);
    while (nn_batcher_next(a, &x[0], NULL)) continue;
    ck_assert_int_eq(nn_batcher_status(a, &error), AG_ERROR_INDEX);
    ck_assert_ptr_nonnull(strstr(error.message, "sample 4: number 20 behind the subset"));
    chosen[4] = -1;
    nn_batcher_start(a, 1);
    while (nn_batcher_next(a, &x[0], NULL)) continue;
    ck_assert_int_eq(nn_batcher_status(a, &error), AG_ERROR_INDEX);
    nn_batcher_free(a);
    nn_batcher_free(b);
    const nn_dataset odd = {d.x, ag_tensor_new(AG_I64, 1, (const int64_t[]){19}, NULL)};
    s = nn_source_of_dataset(&odd);
    quick = nn_source_subset(&s.source, chosen, 2);
    a = nn_batcher_of(&quick.source, &o, NULL);
    ck_assert(!nn_batcher_next(a, &x[0], NULL));
    ck_assert_int_eq(nn_batcher_status(a, NULL), AG_ERROR_SHAPE);
    nn_batcher_free(a);
    ag_tensor_free(odd.y);
    nn_dataset_clear(&d);
}
END_TEST

static bool take_part(void) {
    static const int64_t chosen[] = {4, 3, 3, 0, 1};
    nn_dataset d;
    if (nn_dataset_moons(5, 0, 1, &d, NULL) != AG_OK) return false;
    nn_dataset_source s = nn_source_of_dataset(&d);
    nn_subset_source part = nn_source_subset(&s.source, chosen, 5);
    nn_batcher *b = nn_batcher_of(&part.source, &(nn_batcher_options){.batch = 3}, NULL);
    while (b && nn_batcher_next(b, &(ag_tensor *){NULL}, NULL)) continue;
    const bool done = b && nn_batcher_status(b, NULL) == AG_OK;
    nn_batcher_free(b);
    nn_dataset_clear(&d);
    return done;
}

START_TEST(no_allocation_that_fails_in_a_part_leaves_anything) { test_every_allocation(take_part); }
END_TEST

/* x := (x[0] + a draw), y left; `user` counts. */
static ag_status add_noise(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    ++*(int *)user;
    const double x = ag_tensor_get(sample->x, 0) + ag_random_uniform(draws);
    sample->x = ag_tensor_from(AG_F64, 1, (const int64_t[]){1}, &x, error);
    return sample->x ? AG_OK : error->status;
}
static ag_status double_in_place(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)draws, (void)error;
    return ag_tensor_set(sample->x, 0, 2 * ag_tensor_get(sample->x, 0));
}
static ag_status refuse_seven(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)draws;
    if (ag_tensor_get(sample->x, 0) != 7) return AG_OK;
    sample->x = ag_tensor_new(AG_F32, 0, NULL, NULL); /* both are freed */
    return ag_fail(error, AG_ERROR_VALUE, "seven");
}

START_TEST(transforms_draw_from_the_samples_own_stream) {
    counting_allocator_install();
    tale t = tale_of(10);
    int calls = 0;
    nn_mapped_source once = nn_source_mapped(&t.source, add_noise, &calls),
                     doubled = nn_source_mapped(&once.source, double_in_place, NULL),
                     twice = nn_source_mapped(&doubled.source, add_noise, &calls),
                     picky = nn_source_mapped(&t.source, refuse_seven, NULL);
    ck_assert_int_eq(nn_source_size(&twice.source), 10);
    for (int64_t i = 9; i >= 0; i--) {
        ag_random draws = nn_sample_draws(1, 0, i);
        (void)ag_random_uniform(&draws); /* the tale's own */
        const double first = ag_random_uniform(&draws), second = ag_random_uniform(&draws);
        ck_assert(first_of(&twice.source, i) == 2 * ((double)i + first) + second);
        if (i != 7) ck_assert(first_of(&picky.source, i) == (double)i);
    }
    ck_assert_int_eq(calls, 20);
    check_refused(&picky.source, 7, AG_ERROR_VALUE, "seven");
    t.fails_at = 3;
    check_refused(&twice.source, 3, AG_ERROR_IO, "the film is torn");
    ck_assert_int_eq(counting_allocator_live(), 0);
}
END_TEST

/* ---- augmentation -------------------------------------------------------------------------------------------------- */

static nn_dataset pictures(void) {
    nn_dataset d = {ag_tensor_new(AG_F32, 4, (const int64_t[]){9, 2, 6, 5}, NULL), NULL};
    float *x = ag_tensor_write(d.x);
    for (int64_t i = 0; i < ag_tensor_count(d.x); i++) x[i] = (float)(i * 7 % 31);
    return d;
}

static void take(nn_source *s, int ahead, int64_t epoch, float *to) {
    nn_batcher *b =
        nn_batcher_of(s, &(nn_batcher_options){.batch = 4, .shuffle = true, .seed = 3, .prefetch = ahead}, NULL);
    nn_batcher_start(b, epoch);
    for (ag_tensor *x; nn_batcher_next(b, &x, NULL);) {
        int64_t n;
        const int64_t *index = nn_batcher_index(b, &n);
        for (int64_t i = 0; i < n; i++)
            memcpy(to + index[i] * 60, (const float *)ag_tensor_data(x) + i * 60, 60 * sizeof *to);
    }
    ck_assert_int_eq(nn_batcher_status(b, NULL), AG_OK);
    nn_batcher_free(b);
}

START_TEST(augmented_samples_are_a_function_of_seed_and_epoch) {
    nn_dataset d = pictures();
    nn_dataset_source s = nn_source_of_dataset(&d);
    nn_augment change = {.shift = 2, .rotate = 0.5, .flip = true, .noise = 0.1};
    nn_mapped_source changed = nn_source_mapped(&s.source, nn_augment_sample, &change);
    static float first[540], ahead[540], later[540];
    take(&changed.source, 0, 0, first);
    take(&changed.source, 3, 0, ahead);
    take(&changed.source, 1, 1, later);
    ck_assert_mem_eq(first, ahead, sizeof first);
    ck_assert_mem_ne(first, later, sizeof first);
    ck_assert_mem_ne(first, ag_tensor_data(d.x), sizeof first);
    change = (nn_augment){.flip = true};
    take(&changed.source, 1, 0, later);
    int flipped = 0;
    const float *x = ag_tensor_data(d.x);
    for (int i = 0; i < 540; i++) {
        const bool same = memcmp(later + i / 60 * 60, x + i / 60 * 60, 60 * sizeof *x) == 0;
        flipped += !same;
        ck_assert(later[i] == x[same ? i : i - i % 5 + 4 - i % 5]);
    }
    ck_assert(flipped > 0 && flipped < 540); /* all of nine alike: one seed in 256 */
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(rows_of_pixels_are_images_by_another_shape) {
    nn_dataset rows;
    ck_assert_int_eq(nn_dataset_digits(3, 1, &rows, NULL), AG_OK);
    const nn_dataset images = {ag_tensor_part(rows.x, 0, 4, (const int64_t[]){3, 1, 28, 28}, NULL), rows.y};
    nn_dataset_source s = nn_source_of_dataset(&images);
    nn_augment nothing = {0};
    nn_mapped_source mapped = nn_source_mapped(&s.source, nn_augment_sample, &nothing);
    nn_batcher *b = nn_batcher_of(&mapped.source, NULL, NULL);
    ag_tensor *x;
    ck_assert(nn_batcher_next(b, &x, NULL));
    ck_assert(ag_meta_same_shape(ag_tensor_meta(x), ag_tensor_meta(images.x)));
    ck_assert_mem_eq(ag_tensor_data(x), ag_tensor_data(rows.x), ag_meta_bytes(ag_tensor_meta(x)));
    nn_batcher_free(b);
    ag_tensor_free(images.x);
    nn_dataset_clear(&rows);
}
END_TEST

START_TEST(what_is_no_image_is_not_augmented) {
    static const int64_t dim[] = {2, 3, 4, 5};
    nn_augment change = {.shift = 1};
    ag_random draws = {1, 0};
    for (int rank = 0; rank < 5; rank++) {
        nn_sample s = {.x = ag_tensor_new(AG_F32, rank, dim, NULL)};
        const nn_sample before = s;
        const ag_status expected = rank == 2 || rank == 3 ? AG_OK : AG_ERROR_SHAPE;
        ck_assert_int_eq(nn_augment_sample(&change, &draws, &s, NULL), expected);
        if (s.x != before.x) ag_tensor_free(before.x);
        nn_sample_clear(&s);
    }
    nn_sample s = {.x = ag_tensor_new(AG_F64, 2, dim, NULL)};
    ck_assert_int_eq(nn_augment_sample(&change, &draws, &s, NULL), AG_ERROR_DTYPE);
    change.noise = -1;
    ck_assert_int_eq(nn_augment_sample(&change, &draws, &s, NULL), AG_ERROR_VALUE);
    nn_sample_clear(&s);
}
END_TEST

/* ---- collation ------------------------------------------------------------------------------------------------------ */

START_TEST(a_tensor_is_used_again_only_for_the_same_type_and_shape) {
    static const int64_t dim[] = {2, 3}, other[] = {2, 4};
    ag_tensor *old = ag_tensor_new(AG_F32, 2, dim, NULL);
    ck_assert_ptr_eq(nn_tensor_reuse(old, AG_F32, 2, dim, NULL), old);
    ag_tensor *fresh[] = {nn_tensor_reuse(old, AG_F64, 2, dim, NULL), nn_tensor_reuse(old, AG_F32, 1, dim, NULL),
                          nn_tensor_reuse(old, AG_F32, 2, other, NULL),
                          nn_tensor_reuse(NULL, AG_F32, 2, dim, NULL)};
    for (int k = 0; k < 4; k++) {
        ck_assert(fresh[k] && fresh[k] != old);
        ag_tensor_free(fresh[k]);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_tensor_reuse(old, AG_F32, 9, (const int64_t[9]){0}, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ag_tensor_free(old);
}
END_TEST

/* Sample i: x of i % 4 + 1 steps of two numbers, y as long where `tagged`, or else a label. */
typedef struct sequences {
    nn_source source;
    bool tagged;
    int64_t wrong_at;
} sequences;

static int64_t sequences_size(nn_source *s) {
    (void)s;
    return 6;
}
static ag_status sequences_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    (void)draws;
    const sequences *q = (sequences *)s;
    const double values[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int64_t steps = i % 4 + 1;
    out->x = ag_tensor_from(AG_F32, 2, (const int64_t[]){steps, 2}, values, error);
    out->y = ag_tensor_from(AG_I64, q->tagged, (const int64_t[]){steps + (i == q->wrong_at)}, values, error);
    return out->x && out->y ? AG_OK : error->status;
}

START_TEST(sequences_are_padded_to_the_longest_of_their_batch) {
    static const int64_t lengths[][4] = {{1, 2, 3, 4}, {1, 2}};
    for (int way = 0; way < 8; way++) {
        const bool batch_first = way & 1, tagged = way & 2;
        sequences q = {{sequences_size, sequences_sample, NULL}, tagged, NOWHERE};
        nn_padding padding = {.batch_first = batch_first, .x = -1, .y = -100};
        nn_batcher *b = nn_batcher_of(
            &q.source,
            &(nn_batcher_options){
                .batch = 4, .collate = nn_collate_pad, .collate_user = &padding, .prefetch = way & 4 ? 2 : 0},
            NULL);
        for (int k = 0; k < 2; k++) {
            ag_tensor *x, *y;
            ck_assert(nn_batcher_next(b, &x, &y));
            const int64_t n = k ? 2 : 4, longest = n;
            const ag_tensor *length = nn_batcher_batch(b)->more[0];
            ck_assert(ag_tensor_meta(length)->dtype == AG_I64);
            ck_assert_mem_eq(ag_tensor_data(length), lengths[k], (size_t)n * sizeof(int64_t));
            ck_assert_int_eq(ag_tensor_meta(x)->rank, 3);
            ck_assert_int_eq(ag_tensor_meta(y)->rank, tagged ? 2 : 1);
            for (int64_t i = 0; i < n; i++)
                for (int64_t t = 0; t < longest; t++) {
                    const int64_t at = batch_first ? i * longest + t : t * n + i;
                    const bool there = t < lengths[k][i];
                    for (int64_t c = 0; c < 2; c++)
                        ck_assert(ag_tensor_get(x, 2 * at + c) == (there ? (double)(2 * t + c + 1) : -1));
                    if (tagged) ck_assert(ag_tensor_get(y, at) == (there ? (double)(t + 1) : -100));
                }
            if (!tagged)
                for (int64_t i = 0; i < n; i++) ck_assert(ag_tensor_get(y, i) == 1);
        }
        ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
        ck_assert_int_eq(nn_batcher_status(b, NULL), AG_OK);
        nn_batcher_free(b);
    }
}
END_TEST

static void check_not_padded(nn_source *s, ag_status status, const char *text) {
    nn_batcher *b = nn_batcher_of(s, &(nn_batcher_options){.batch = 4, .collate = nn_collate_pad}, NULL);
    ag_error error = {0};
    ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
    ck_assert_int_eq(nn_batcher_status(b, &error), status);
    ck_assert_msg(strstr(error.message, text) != NULL, "%s", error.message);
    nn_batcher_free(b);
}

static ag_status add_more(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)draws;
    sample->more[1] = ag_tensor_new(AG_F32, 0, NULL, error);
    return error->status;
}
static ag_status make_number(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)draws;
    sample->x = ag_tensor_new(AG_F32, 0, NULL, error);
    return error->status;
}

START_TEST(what_cannot_be_padded_is_named) {
    sequences q = {{sequences_size, sequences_sample, NULL}, true, 2};
    check_not_padded(&q.source, AG_ERROR_SHAPE, "sample 2: its x has 3 steps, but its y 4");
    nn_mapped_source more = nn_source_mapped(&q.source, add_more, NULL);
    check_not_padded(&more.source, AG_ERROR_VALUE, "sample 0: has more than an x and a y");
    nn_mapped_source number = nn_source_mapped(&q.source, make_number, NULL);
    check_not_padded(&number.source, AG_ERROR_SHAPE, "sample 0: its x has no steps");
    tale t = tale_of(4);
    t.f64_at = 1;
    check_not_padded(&t.source, AG_ERROR_DTYPE, "sample 1: its x f64 (3)");
    t = tale_of(4);
    t.bare_at = 2;
    check_not_padded(&t.source, AG_ERROR_VALUE, "sample 2 has no y");
}
END_TEST

/* A collation of one's own: the sum of the first numbers, and how many times it ran; fails on sample `user`. */
static ag_status collate_sum(void *user, const nn_sample *samples, const int64_t *index, int64_t n,
                             nn_sample *batch, ag_error *error) {
    double sum = 0;
    batch->x = ag_tensor_new(AG_F64, 0, NULL, error); /* never the one before: the batcher frees that */
    batch->more[2] = nn_tensor_reuse(batch->more[2], AG_I64, 1, &n, error);
    if (!batch->x || !batch->more[2]) return error->status;
    for (int64_t i = 0; i < n; i++) {
        if (index[i] == *(const int64_t *)user) return AG_ERROR_STATE; /* without a word, half-way */
        sum += ag_tensor_get(samples[i].x, 0);
    }
    memcpy(ag_tensor_write(batch->more[2]), index, (size_t)n * sizeof *index);
    return ag_tensor_set(batch->x, 0, sum);
}

START_TEST(a_collation_of_ones_own_may_give_anything) {
    counting_allocator_install();
    for (int ahead = 0; ahead < 3; ahead++) {
        tale t = tale_of(10);
        int64_t bad = NOWHERE;
        nn_batcher *b = nn_batcher_of(
            &t.source,
            &(nn_batcher_options){.batch = 4, .collate = collate_sum, .collate_user = &bad, .prefetch = ahead},
            NULL);
        static const double sums[] = {0 + 1 + 2 + 3, 4 + 5 + 6 + 7, 8 + 9};
        for (int64_t e = 0; e < 2; e++) {
            nn_batcher_start(b, e);
            for (int64_t k = 0; k < 3; k++) {
                ag_tensor *x, *y;
                ck_assert(nn_batcher_next(b, &x, &y));
                ck_assert(ag_tensor_get(x, 0) == sums[k] && !y);
                ck_assert(ag_tensor_get(nn_batcher_batch(b)->more[2], 1) == (double)(4 * k + 1));
            }
            ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
        }
        bad = 5;
        nn_batcher_start(b, 2);
        ck_assert(nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
        ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
        ag_error error = {0};
        ck_assert_int_eq(nn_batcher_status(b, &error), AG_ERROR_STATE);
        ck_assert_str_eq(error.message, ag_status_text(AG_ERROR_STATE));
        nn_batcher_free(b);
        ck_assert_int_eq(counting_allocator_live(), 0);
    }
}
END_TEST

Suite *nn_source_suite(void);
Suite *nn_source_suite(void) {
    Suite *s = suite_create("nn_source");
    TCase *sources = tcase_create("sources");
    tcase_add_test(sources, a_tensor_that_is_there_twice_is_freed_once);
    tcase_add_test(sources, every_seed_epoch_and_sample_has_draws_of_its_own);
    tcase_add_test(sources, rows_of_a_dataset_are_samples);
    tcase_add_test(sources, parts_and_sums_of_sources_keep_their_order);
    tcase_add_test(sources, a_part_of_a_dataset_is_gathered_by_rows);
    tcase_add_test(sources, no_allocation_that_fails_in_a_part_leaves_anything);
    tcase_add_test(sources, transforms_draw_from_the_samples_own_stream);
    suite_add_tcase(s, sources);
    TCase *augmented = tcase_create("augmentation");
    tcase_add_test(augmented, augmented_samples_are_a_function_of_seed_and_epoch);
    tcase_add_test(augmented, rows_of_pixels_are_images_by_another_shape);
    tcase_add_test(augmented, what_is_no_image_is_not_augmented);
    suite_add_tcase(s, augmented);
    TCase *collated = tcase_create("collation");
    tcase_add_test(collated, a_tensor_is_used_again_only_for_the_same_type_and_shape);
    tcase_add_test(collated, sequences_are_padded_to_the_longest_of_their_batch);
    tcase_add_test(collated, what_cannot_be_padded_is_named);
    tcase_add_test(collated, a_collation_of_ones_own_may_give_anything);
    suite_add_tcase(s, collated);
    return s;
}
