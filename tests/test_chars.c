/* chars: the parts of the programs that learn a text which know no network: characters, batches, draws. */
#define _GNU_SOURCE /* mkdtemp, seteuid */

#include "nn_support.h"
#include "support/folder.h"

#include "../examples/support/sampling.h"
#include "../examples/support/text.h"
#include "../examples/support/text_batches.h"
#include "../examples/support/utf8.h"
#include "../examples/support/vocabulary.h"

#include <math.h>

/* ---- characters ---------------------------------------------------------------------------------------------- */

/* Is it read back from its bytes, and not from fewer, or from some of them and others? */
static bool comes_back(int64_t c) {
    char bytes[UTF8_MOST];
    size_t length = 0;
    const size_t n = utf8_write(c, bytes);
    bool right = n == (c < 0x80      ? 1
                       : c < 0x800   ? 2
                       : c < 0x10000 ? 3
                                     : 4) &&
                 utf8_read(bytes, n, &length) == c && length == n;
    for (size_t cut = 0; cut < n; cut++) right = right && utf8_read(bytes, cut, &length) == -1;
    for (size_t i = 1; i < n; i++) {
        char other[UTF8_MOST];
        memcpy(other, bytes, n);
        other[i] = 'a';
        right = right && utf8_read(other, n, &length) == -1;
    }
    return right;
}

START_TEST(every_character_comes_back_from_its_bytes) {
    for (int64_t c = 0; c < 0x110000; c++)
        if (c < 0xd800 || c >= 0xe000) /* a million checks that succeed take minutes */
            if (!comes_back(c)) ck_abort_msg("U+%04llX", (long long)c);
}
END_TEST

START_TEST(what_is_no_character_is_written_as_its_replacement) {
    static const int64_t none[] = {-1, 0xd800, 0xdfff, 0x110000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char bytes[UTF8_MOST];
        ck_assert_uint_eq(utf8_write(none[i], bytes), 3);
        ck_assert_mem_eq(bytes, "\xef\xbf\xbd", 3);
    }
}
END_TEST

START_TEST(bytes_that_are_no_character_are_refused) {
    static const struct {
        const char *bytes;
        size_t n;
    } wrong[] = {{"\x80", 1},             /* goes on, but nothing began           */
                 {"\xbf\x80", 2},         /* likewise                             */
                 {"\xc0\x80", 2},         /* 0 in two bytes                       */
                 {"\xc1\xbf", 2},         /* 7f in two bytes                      */
                 {"\xe0\x9f\xbf", 3},     /* 7ff in three bytes                   */
                 {"\xf0\x8f\xbf\xbf", 4}, /* ffff in four bytes                   */
                 {"\xed\xa0\x80", 3},     /* d800, a surrogate                    */
                 {"\xed\xbf\xbf", 3},     /* dfff, the last one                   */
                 {"\xf4\x90\x80\x80", 4}, /* 110000                               */
                 {"\xf5\x80\x80\x80", 4}, /* above it                             */
                 {"\xf8\x88\x80\x80", 4}, /* five bytes were legal once           */
                 {"\xfe\x80\x80\x80", 4},
                 {"\xff\xff\xff\xff", 4}};
    size_t length = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(utf8_read(wrong[i].bytes, wrong[i].n, &length) == -1, "number %zu is taken", i);
    ck_assert_uint_eq(length, 7);
}
END_TEST

START_TEST(a_vocabulary_has_each_character_once_in_order) {
    const int64_t written[] = {'n', 0x1f600, 'a', 'n', '\n', 'a', 0xe9};
    int64_t numbers[] = {0xe9, '\n', 0x1f600, 'a'}, unknown[] = {'a', 'b', 'c'}, bell[] = {7};
    vocabulary v = {0};
    ag_error error = {0};
    ck_assert_int_eq(vocabulary_of(written, 7, &v, NULL), AG_OK);
    ck_assert_int_eq(v.n, 5);
    ck_assert_mem_eq(v.character, ((int64_t[]){'\n', 'a', 'n', 0xe9, 0x1f600}), 5 * sizeof(int64_t));
    ck_assert_int_eq(vocabulary_find(&v, 'b'), -1);
    ck_assert_int_eq(vocabulary_number(&v, numbers, 4, "it", &error), AG_OK);
    ck_assert_mem_eq(numbers, ((int64_t[]){3, 0, 4, 1}), 4 * sizeof(int64_t));
    ck_assert_int_eq(vocabulary_number(&v, unknown, 3, "it", &error), AG_ERROR_VALUE);
    ck_assert_str_eq(error.message, "it has the character 'b' (U+0062), which the network does not know");
    ck_assert_int_eq(vocabulary_number(&v, bell, 1, "it", &error), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(error.message, "'' (U+0007)")); /* a terminal is not rung */
    vocabulary_clear(&v);
    ck_assert_int_eq(vocabulary_find(&v, 'a'), -1);
}
END_TEST

START_TEST(a_text_is_its_characters_without_a_byte_order_mark) {
    text t;
    ag_error error = {0};
    static const char bytes[] = "\xef\xbb\xbf"
                                "a\xc3\xa9\n\xef\xbb\xbf";
    ck_assert_int_eq(text_from(bytes, sizeof bytes - 1, "it", &t, NULL), AG_OK);
    ck_assert_int_eq(t.n, 4);
    ck_assert_mem_eq(t.character, ((int64_t[]){'a', 0xe9, '\n', 0xfeff}),
                     4 * sizeof(int64_t)); /* later it is one */
    text_clear(&t);
    ck_assert_int_eq(text_from("a\nb\n\xe9t\xe9", 7, "it", &t, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "it: line 3: the byte e9 is not UTF-8"));
    ck_assert_int_eq(t.n, 0);
    ck_assert_ptr_null(t.character);
    ck_assert_int_eq(text_from("", 0, "it", &t, NULL), AG_OK);
    ck_assert_int_eq(t.n, 0);
    text_clear(&t);
}
END_TEST

START_TEST(the_text_in_the_program_is_long_enough_and_whole) {
    text t;
    ck_assert_int_eq(text_read(NULL, &t, NULL), AG_OK);
    ck_assert_int_eq(t.n, 53767); /* bytes of pride.txt */
    static const char first[] = "Chapter 1\n\n\nIt is a truth", last[] = "a supply\nof clothes.\n";
    for (size_t i = 0; i < sizeof first - 1; i++) ck_assert_int_eq(t.character[i], first[i]);
    for (size_t i = 0; i < sizeof last - 1; i++)
        ck_assert_int_eq(t.character[t.n - (int64_t)sizeof last + 1 + (int64_t)i], last[i]);
    text_clear(&t);
}
END_TEST

START_TEST(a_file_is_read_whole) {
    enum { MANY = 200000 }; /* characters: more than one block */
    static char bytes[3 * MANY / 2];
    text t, none;
    ag_error error = {0};
    for (int i = 0; i < MANY / 2; i++) memcpy(bytes + 3 * i, "e\xc3\xa9", 3);
    file_put(in_folder("text"), bytes, sizeof bytes);
    ck_assert_int_eq(text_read(in_folder("text"), &t, NULL), AG_OK);
    ck_assert_int_eq(t.n, MANY);
    for (int i = 0; i < MANY; i++) ck_assert_int_eq(t.character[i], i % 2 ? 0xe9 : 'e');
    text_clear(&t);
    ck_assert_int_eq(text_read(in_folder("none"), &none, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, in_folder("none")));
    ck_assert_int_eq(text_read(folder, &none, &error), AG_ERROR_IO);
    ck_assert_ptr_null(none.character);
}
END_TEST

/* ---- batches ------------------------------------------------------------------------------------------------- */

enum { PIECES = 3, LENGTH = 5, NUMBERS = 23 };

/* A text whose numbers are their own places. */
static const int64_t *places(void) {
    static int64_t place[NUMBERS];
    for (int64_t i = 0; i < NUMBERS; i++) place[i] = i;
    return place;
}

static const int64_t *x_of(const text_batch *b) { return ag_tensor_data(b->x); }
static const int64_t *target_of(const text_batch *b) { return ag_tensor_data(b->target); }

static text_batch batch_new(int64_t pieces) {
    text_batch b = {0};
    ck_assert_int_eq(text_batch_init(&b, pieces, LENGTH, NULL), AG_OK);
    return b;
}

START_TEST(a_window_lies_inside_the_text_and_every_place_is_drawn) {
    text_batch b = batch_new(PIECES);
    bool begun[NUMBERS] = {false};
    for (int64_t number = 0; number < 100; number++) {
        text_batch_windows(&b, places(), NUMBERS, 1, number);
        for (int64_t i = 0; i < PIECES * LENGTH; i++) {
            ck_assert_int_eq(x_of(&b)[i], x_of(&b)[i / LENGTH * LENGTH] + i % LENGTH);
            ck_assert_int_eq(target_of(&b)[i], x_of(&b)[i] + 1);
            ck_assert_int_lt(target_of(&b)[i], NUMBERS);
        }
        for (int64_t i = 0; i < PIECES; i++) begun[x_of(&b)[i * LENGTH]] = true;
    }
    for (int64_t i = 0; i < NUMBERS; i++) ck_assert_int_eq(begun[i], i < NUMBERS - LENGTH);
    text_batch_windows(&b, places(), LENGTH + 1, 1, 0); /* there is but one */
    ck_assert_int_eq(x_of(&b)[0], 0);
    text_batch_clear(&b);
}
END_TEST

START_TEST(a_stream_goes_on_where_it_ended_and_round) {
    text_batch b = batch_new(PIECES);
    int64_t next[PIECES];
    for (int64_t at = 0; at < 20; at++) {
        text_batch_streams(&b, places(), NUMBERS, 1, 4, at);
        for (int64_t i = 0; i < PIECES; i++) {
            const int64_t *x = x_of(&b) + i * LENGTH, *target = target_of(&b) + i * LENGTH;
            if (at > 0) ck_assert_int_eq(x[0], next[i]);
            for (int t = 0; t < LENGTH; t++) {
                ck_assert_int_eq(x[t], (x[0] + t) % NUMBERS);
                ck_assert_int_eq(target[t], (x[t] + 1) % NUMBERS);
            }
            next[i] = target[LENGTH - 1];
            ck_assert_int_eq(x[0], (x_of(&b)[0] + i * NUMBERS / PIECES) % NUMBERS); /* evenly spread */
        }
    }
    text_batch_clear(&b);
}
END_TEST

START_TEST(batches_belong_to_their_seed_and_number) {
    text_batch a = batch_new(PIECES), b = batch_new(PIECES);
    const size_t bytes = PIECES * LENGTH * sizeof(int64_t);
    int windows = 0, streams = 0; /* that are others */
    for (int64_t number = 0; number < 20; number++) {
        text_batch_windows(&a, places(), NUMBERS, 1, number);
        text_batch_windows(&b, places(), NUMBERS, 1, 19 - number);
        text_batch_windows(&b, places(), NUMBERS, 1, number);
        ck_assert_mem_eq(x_of(&a), x_of(&b), bytes);
        text_batch_windows(&b, places(), NUMBERS, 2, number);
        windows += memcmp(x_of(&a), x_of(&b), bytes) != 0;
        text_batch_streams(&a, places(), NUMBERS, 1, number, 3);
        text_batch_streams(&b, places(), NUMBERS, 1, number + 1, 3);
        streams += memcmp(x_of(&a), x_of(&b), bytes) != 0;
    }
    ck_assert_int_ge(windows, 18);
    ck_assert_int_ge(streams, 15); /* 19 in 20 are expected, of 23 distances */
    text_batch_clear(&a);
    text_batch_clear(&b);
}
END_TEST

START_TEST(a_piece_is_what_stands_there) {
    text_batch b = batch_new(1);
    text_batch_piece(&b, places() + 7);
    ck_assert_mem_eq(x_of(&b), ((int64_t[]){7, 8, 9, 10, 11}), LENGTH * sizeof(int64_t));
    ck_assert_mem_eq(target_of(&b), ((int64_t[]){8, 9, 10, 11, 12}), LENGTH * sizeof(int64_t));
    text_batch_clear(&b);
    ag_error error = {0};
    ck_assert_int_eq(text_batch_init(&b, INT64_MAX / 2, 3, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_null(b.x);
}
END_TEST

/* ---- draws --------------------------------------------------------------------------------------------------- */

START_TEST(temperature_zero_takes_the_first_of_the_likeliest_without_a_draw) {
    ag_random r = {1, 5};
    ck_assert_int_eq(sample((float[]){0, 3, -1, 3}, 4, 0, &r), 1);
    ck_assert_int_eq(sample((float[]){NAN, -INFINITY, 2}, 3, 0, &r), 2);
    ck_assert_int_eq(sample((float[]){NAN, NAN}, 2, 0, &r), 1);
    ck_assert_uint_eq(r.counter, 5);
}
END_TEST

START_TEST(draws_have_the_probabilities_of_a_softmax) {
    enum { DRAWS = 40000, N = 4 };
    static const float logits[N] = {100, 101, 98.5f, 99}; /* exp of these is no float */
    static const double temperatures[] = {1, 0.5, 3};
    for (int k = 0; k < 3; k++) {
        const double temperature = temperatures[k];
        int count[N] = {0};
        ag_random r = {3, 0};
        for (int i = 0; i < DRAWS; i++) count[sample(logits, N, temperature, &r)]++;
        double sum = 0;
        for (int i = 0; i < N; i++) sum += exp((logits[i] - 100) / temperature);
        for (int i = 0; i < N; i++) {
            const double p = exp((logits[i] - 100) / temperature) / sum;
            ck_assert_double_eq_tol(count[i], DRAWS * p, 4 * sqrt(DRAWS * p * (1 - p))); /* four deviations */
        }
    }
}
END_TEST

START_TEST(what_cannot_be_is_never_drawn) {
    static const float infinite[] = {-INFINITY, 1, NAN, 1, -INFINITY}, certain[] = {0, 1e30f, 0};
    ag_random r = {4, 0};
    for (int i = 0; i < 1000; i++) {
        const int64_t drawn = sample(infinite, 5, 1, &r);
        ck_assert(drawn == 1 || drawn == 3);
        ck_assert_int_eq(sample(certain, 3, 100, &r), 1);
        ck_assert_int_eq(sample((float[]){0, 1, 0}, 3, 1e-300, &r), 1);
    }
    ck_assert_int_eq(sample((float[]){-INFINITY, -INFINITY}, 2, 1, &r), 0);
}
END_TEST

static bool everything(void) {
    text t = {0};
    vocabulary v = {0};
    text_batch b = {0};
    ag_error error = {0};
    const bool made = text_read(NULL, &t, &error) == AG_OK &&
                      vocabulary_of(t.character, t.n, &v, &error) == AG_OK &&
                      text_batch_init(&b, 2, 3, &error) == AG_OK;
    ck_assert(made || error.status == AG_ERROR_MEMORY);
    text_batch_clear(&b);
    vocabulary_clear(&v);
    text_clear(&t);
    return made;
}

START_TEST(failed_allocations_leave_nothing) { test_every_allocation(everything); }
END_TEST

Suite *chars_suite(void) {
    Suite *s = suite_create("chars");
    TCase *tc = tcase_create("chars");
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, every_character_comes_back_from_its_bytes);
    tcase_add_test(tc, what_is_no_character_is_written_as_its_replacement);
    tcase_add_test(tc, bytes_that_are_no_character_are_refused);
    tcase_add_test(tc, a_vocabulary_has_each_character_once_in_order);
    tcase_add_test(tc, a_text_is_its_characters_without_a_byte_order_mark);
    tcase_add_test(tc, the_text_in_the_program_is_long_enough_and_whole);
    tcase_add_test(tc, a_file_is_read_whole);
    tcase_add_test(tc, a_window_lies_inside_the_text_and_every_place_is_drawn);
    tcase_add_test(tc, a_stream_goes_on_where_it_ended_and_round);
    tcase_add_test(tc, batches_belong_to_their_seed_and_number);
    tcase_add_test(tc, a_piece_is_what_stands_there);
    tcase_add_test(tc, temperature_zero_takes_the_first_of_the_likeliest_without_a_draw);
    tcase_add_test(tc, draws_have_the_probabilities_of_a_softmax);
    tcase_add_test(tc, what_cannot_be_is_never_drawn);
    tcase_add_test(tc, failed_allocations_leave_nothing);
    suite_add_tcase(s, tc);
    return s;
}
