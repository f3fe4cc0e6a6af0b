/* nn_picture: axes show what is there, with ticks at round numbers; files are whole pictures or not there at all; and in a
 * build without cairo the functions say so. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "../nn/picture/axis_impl.h"
#include "../nn/picture/picture_impl.h"
#include "support/folder.h"

#include <math.h>

enum { N = 40 };
static double line[N], falling[N]; /* 0, 1, ...; 2, 2 / 1.3, ... */

static void fill(void) {
    folder_make();
    for (int i = 0; i < N; i++) {
        line[i] = i;
        falling[i] = 2 * pow(1.3, -i);
    }
}

/* ---- axes ------------------------------------------------------------------------------------------------------- */

/* The texts of an axis, with blanks between them; those of unnamed ticks are left out. */
static const char *ticks(const nnx_axis *a) {
    static char all[NNX_TICKS * NNX_TICK_TEXT];
    all[0] = '\0';
    for (int i = 0; i < a->n; i++) {
        if (i > 0) ck_assert_double_lt(a->tick[i - 1].at, a->tick[i].at);
        ck_assert_double_ge(a->tick[i].at, a->low - 1e-6 * (a->high - a->low));
        ck_assert_double_le(a->tick[i].at, a->high + 1e-6 * (a->high - a->low));
        if (!a->tick[i].text[0]) continue;
        if (all[0]) strcat(all, " ");
        strcat(all, a->tick[i].text);
    }
    return all;
}

/* The axes of one curve through (x, y). */
static void axes(const double *x, const double *y, int n, nn_scale scale, nnx_axis *in_x, nnx_axis *in_y) {
    const nn_curve curve = {.x = x, .y = y, .n = n};
    nnx_axes(&(nn_chart){.curves = &curve, .n = 1, .y.scale = scale}, in_x, in_y);
}

static const char *ticks_of_y(const double *y, int n, nn_scale scale) {
    static nnx_axis in_x, in_y;
    axes(line, y, n, scale, &in_x, &in_y);
    return ticks(&in_y);
}
#define VALUES(...) (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

START_TEST(ticks_of_a_linear_axis_are_round) {
    ck_assert_str_eq(ticks_of_y(VALUES(0.1, 0.9), NN_SCALE_LINEAR), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(VALUES(-0.3, 0.3), NN_SCALE_LINEAR), "-0.3 -0.2 -0.1 0 0.1 0.2 0.3");
    ck_assert_str_eq(ticks_of_y(VALUES(0.91, 0.98), NN_SCALE_LINEAR), "0.9 0.92 0.94 0.96 0.98");
    ck_assert_str_eq(ticks_of_y(VALUES(0, 12345678), NN_SCALE_LINEAR), "0 5e+06 1e+07 1.5e+07");
    ck_assert_str_eq(ticks_of_y(VALUES(20000001, 20000003), NN_SCALE_LINEAR),
                     "20000001 20000001.5 20000002 20000002.5 20000003");
    ck_assert_str_eq(ticks_of_y(VALUES(-3e-9, 2e-9), NN_SCALE_LINEAR), "-3e-09 -2e-09 -1e-09 0 1e-09 2e-09");
    ck_assert_str_eq(ticks_of_y(VALUES(-1e300, 1e300), NN_SCALE_LINEAR), "-1e+300 -5e+299 0 5e+299 1e+300");
}
END_TEST

START_TEST(few_numbers_have_an_axis_too) {
    ck_assert_str_eq(ticks_of_y(NULL, 0, NN_SCALE_AUTO), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(VALUES(NAN, INFINITY, -INFINITY, 1e301), NN_SCALE_AUTO), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(VALUES(0), NN_SCALE_LINEAR), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(VALUES(0.001, 0.001), NN_SCALE_LINEAR), "0 0.0002 0.0004 0.0006 0.0008 0.001");
    ck_assert_str_eq(ticks_of_y(VALUES(-3), NN_SCALE_LINEAR), "-3 -2.5 -2 -1.5 -1 -0.5 0");
    ck_assert_str_eq(ticks_of_y(VALUES(1, 1 + 1e-15), NN_SCALE_LINEAR), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(VALUES(-1, 0), NN_SCALE_LOG), "1 2 5 10");
    ck_assert_str_eq(ticks_of_y(VALUES(1), NN_SCALE_LOG), "0.2 0.5 1 2 5");
}
END_TEST

START_TEST(a_range_of_fifty_asks_for_a_logarithmic_axis) {
    nnx_axis x, y;
    axes(line, (const double[]){0.02, 1}, 2, NN_SCALE_AUTO, &x, &y);
    ck_assert(y.log && !x.log);
    axes(line, (const double[]){0.021, 1}, 2, NN_SCALE_AUTO, &x, &y);
    ck_assert(!y.log);
    axes(line, (const double[]){0, 0.02, 1}, 3, NN_SCALE_AUTO, &x, &y);
    ck_assert(!y.log); /* 0 would be lost */
    axes(line, (const double[]){0.02, 1, NAN}, 3, NN_SCALE_AUTO, &x, &y);
    ck_assert(y.log);
    axes(line, (const double[]){0.0001, 1}, 2, NN_SCALE_LINEAR, &x, &y);
    ck_assert(!y.log);
}
END_TEST

START_TEST(ticks_of_a_logarithmic_axis_are_powers) {
    ck_assert_str_eq(ticks_of_y(VALUES(0.03, 1.7), NN_SCALE_LOG), "0.02 0.05 0.1 0.2 0.5 1 2");
    ck_assert_str_eq(ticks_of_y(VALUES(0.0003, 8), NN_SCALE_LOG), "0.001 0.01 0.1 1 10");
    ck_assert_str_eq(ticks_of_y(VALUES(1e-7, 10), NN_SCALE_LOG), "1e-7 1e-6 1e-5 0.0001 0.001 0.01 0.1 1 10");
    ck_assert_str_eq(ticks_of_y(VALUES(1e-20, 10), NN_SCALE_LOG), "1e-18 1e-15 1e-12 1e-9 1e-6 0.001 1");
    ck_assert_str_eq(ticks_of_y(VALUES(0.1, 1), NN_SCALE_LOG), "0.1 0.2 0.5 1");
    ck_assert_str_eq(ticks_of_y(VALUES(1e-300, 1e300), NN_SCALE_LOG),
                     "1e-300 1e-225 1e-150 1e-75 1 1e75 1e150 1e225 1e300");
}
END_TEST

START_TEST(numbers_too_small_to_have_digits_are_left_out_or_nought) {
    const double tiny[] = {5e-324, 1e-323, 1e-321}, mixed[] = {5e-324, 1, 10};
    nnx_axis in_x, in_y;
    ck_assert_str_eq(ticks_of_y(tiny, 3, NN_SCALE_LINEAR), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks_of_y(tiny, 3, NN_SCALE_AUTO), ticks_of_y(NULL, 0, NN_SCALE_LOG));
    ck_assert_str_eq(ticks_of_y(tiny, 1, NN_SCALE_LOG), ticks_of_y(NULL, 0, NN_SCALE_LOG));
    axes(line, mixed, 3, NN_SCALE_LOG, &in_x, &in_y);
    ck_assert_double_eq(in_y.low, 0);
    ck_assert(isnan(nnx_axis_place(&in_y, 5e-324)));
    axes(line, (const double[]){1e-300, 1e300}, 2, NN_SCALE_LOG, &in_x, &in_y);
    ck_assert_double_eq_tol(nnx_axis_place(&in_y, 1e-300), 0, 1e-9);
    axes(tiny, line, 3, NN_SCALE_LINEAR, &in_x, &in_y);
    ck_assert_double_eq(in_x.low, 0);
    ck_assert_double_eq(in_x.high, 1);
}
END_TEST

START_TEST(a_range_shorter_than_its_whole_steps_has_one) {
    const double near[] = {1, 1 + 2e-9};
    const nn_curve curve = {.x = line, .y = near, .n = 2};
    nnx_axis in_x, in_y;
    nnx_axes(&(nn_chart){.curves = &curve, .n = 1, .y.whole = true}, &in_x, &in_y);
    ck_assert_str_eq(ticks(&in_y), "1 2");
}
END_TEST

START_TEST(a_low_chart_has_fewer_ticks) {
    nnx_axis x, y;
    const nn_curve rate = {.x = line, .y = (const double[]){0.005, 0.001, 0.00005}, .n = 3};
    nnx_axes(&(nn_chart){.curves = &rate, .n = 1, .low = true}, &x, &y);
    ck_assert_str_eq(ticks(&y), "0.0001 0.001");
    nnx_axes(&(nn_chart){.curves = &rate, .n = 1, .low = true, .y.scale = NN_SCALE_LINEAR}, &x, &y);
    ck_assert_str_eq(ticks(&y), "0 0.002 0.004 0.006");
}
END_TEST

START_TEST(epochs_are_whole_and_the_axis_ends_with_them) {
    nnx_axis x, y;
    const nn_curve curve = {.x = (const double[]){1, 2, 3}, .y = line, .n = 3};
    nnx_axes(&(nn_chart){.curves = &curve, .n = 1, .x.whole = true}, &x, &y);
    ck_assert_str_eq(ticks(&x), "1 2 3");
    ck_assert_double_eq(nnx_axis_place(&x, 1), 0);
    ck_assert_double_eq(nnx_axis_place(&x, 3), 1);
    ck_assert(isnan(nnx_axis_place(&x, NAN)) && isnan(nnx_axis_place(&x, INFINITY)));
    const nn_curve one = {.x = (const double[]){1}, .y = line, .n = 1};
    nnx_axes(&(nn_chart){.curves = &one, .n = 1, .x.whole = true}, &x, &y);
    ck_assert_str_eq(ticks(&x), "1");
    ck_assert_double_eq(nnx_axis_place(&x, 1), 0.5);
}
END_TEST

START_TEST(a_field_is_shown_from_edge_to_edge) {
    nnx_axis x, y;
    const double value[4] = {0, 0.2, 0.7, 1};
    const nn_field field = {value, 2, 2, -1.6, 2.6, -1.1, 1.6};
    const nn_curve far = {.x = line, .y = line, .n = N};
    nnx_axes(&(nn_chart){.field = &field, .curves = &far, .n = 1, .y.scale = NN_SCALE_LOG}, &x, &y);
    ck_assert_double_eq(x.low, -1.6);
    ck_assert_double_eq(y.high, 1.6);
    ck_assert(!y.log);
    ck_assert_str_eq(ticks(&y), "-1 -0.5 0 0.5 1 1.5");
}
END_TEST

/* ---- pictures ----------------------------------------------------------------------------------------------------- */

static const float image[6] = {0, 0.5F, 1, 2, -1, NAN};
static const float *const images[] = {image, NULL, image};

/* Two charts, a low one, one with a field, and a gallery. */
static ag_status draw(const char *path, ag_error *error) {
    static const double value[6] = {0, 0.2, 0.7, 1, NAN, 7};
    static const nn_field field = {value, 3, 2, 0, 10, 0, 10};
    const double gap[] = {1, NAN, 3, -1};
    const nn_curve curves[] = {
        {.name = "one", .x = line, .y = falling, .n = N},
        {.name = "not \xff\xc0\x80 UTF-8 \xed\xa0\x80 \n", .x = line, .y = gap, .n = 4},
        {.name = "a very long name, of which not all can be shown, since it would not end within "
                 "the picture, nor within the next one",
         .x = line,
         .y = line,
         .n = N,
         .points = true},
        {.x = NULL, .n = 0}};
    const nn_chart charts[] = {
        {.title = "Curves", .x = {"x", NN_SCALE_LOG, false}, .y = {.name = "y"}, .curves = curves, .n = 4},
        {.curves = curves, .n = 1, .field = &field},
        {.title = "low", .curves = curves, .n = 1, .low = true},
        {.title = "empty"}};
    const nn_gallery gallery = {.title = "images",
                                .height = 2,
                                .width = 3,
                                .images = images,
                                .captions = (const char *const[]){"a", NULL, "c"},
                                .n = 3,
                                .columns = 2,
                                .rows = (const char *const[]){"first", "second"},
                                .ink = true};
    return nn_picture_write(path, &(nn_picture){charts, 4, &gallery}, error);
}

static size_t read_file(const char *path, char *to, size_t room) {
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(to, 1, room - 1, f);
    to[n] = '\0';
    fclose(f);
    return n;
}

static char file[1 << 20];

START_TEST(a_png_is_whole) {
    ag_error error = {0};
    if (!nnx_picture_possible) return;
    ck_assert_msg(draw(in_folder("p.png"), &error) == AG_OK, "%s", error.message);
    const size_t n = read_file(in_folder("p.png"), file, sizeof file);
    ck_assert_mem_eq(file, "\x89PNG\r\n\x1a\n", 8);
    ck_assert_mem_eq(file + n - 8, "IEND", 4);
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(an_svg_is_whole_and_its_curves_differ_in_colour_and_dash) {
    ag_error error = {0};
    if (!nnx_picture_possible) return;
    ck_assert_msg(draw(in_folder("p.svg"), &error) == AG_OK, "%s", error.message);
    const size_t n = read_file(in_folder("p.svg"), file, sizeof file);
    ck_assert_ptr_eq(strstr(file, "<?xml"), file);
    ck_assert_str_eq(file + n - 7, "</svg>\n");
    ck_assert_ptr_nonnull(strstr(file, "stroke-dasharray"));
    ck_assert_ptr_nonnull(strstr(file, "rgb(0%,44.7")); /* colour 1, 0072b2 */
    ck_assert_ptr_nonnull(strstr(file, "rgb(83.5"));    /* colour 2, d55e00 */
    ck_assert_ptr_null(strstr(file, "nan"));
    ck_assert_ptr_null(strstr(file, "inf"));
}
END_TEST

START_TEST(a_picture_of_nothing_is_a_picture) {
    ag_error error = {0};
    if (!nnx_picture_possible) return;
    ck_assert_int_eq(nn_picture_write(in_folder("p.png"), &(nn_picture){.n_charts = 0}, &error), AG_OK);
    const nn_history none = {.count = 0};
    ck_assert_int_eq(nn_history_plot(&none, in_folder("h.svg"), &error), AG_OK);
    ck_assert_int_eq(folder_count(), 2);
}
END_TEST

START_TEST(a_gallery_may_have_room_for_any_number_of_columns) {
    static const float pixel[1] = {0.5F};
    static const float *const one[] = {pixel};
    ag_error error = {0};
    if (!nnx_picture_possible) return;
    const nn_gallery g = {.images = one, .n = 1, .height = 1, .width = 1, .columns = INT64_MAX};
    ck_assert_int_eq(nn_picture_write(in_folder("p.svg"), &(nn_picture){.gallery = &g}, &error), AG_OK);
    ck_assert_uint_gt(read_file(in_folder("p.svg"), file, sizeof file), 0);
    ck_assert_ptr_nonnull(strstr(file, "viewBox=\"0 0 116 124\"")); /* that of one image */
}
END_TEST

static ag_status refused(const nn_picture *p) {
    ag_error error = {0};
    const ag_status status = nn_picture_write(in_folder("p.svg"), p, &error);
    ck_assert_int_eq(status, error.status);
    ck_assert_int_eq(folder_count(), 0);
    return status;
}
#define CHART(...)                                                                                                \
    &(nn_picture) { .charts = &(const nn_chart){__VA_ARGS__}, .n_charts = 1 }
#define CURVE(...) CHART(.curves = &(const nn_curve){__VA_ARGS__}, .n = 1)
#define GALLERY(...)                                                                                              \
    &(nn_picture) {                                                                                               \
        .gallery = &(const nn_gallery) { __VA_ARGS__ }                                                            \
    }

START_TEST(what_makes_no_sense_is_refused_and_no_file_is_left) {
    static const double value[1] = {0};
    if (!nnx_picture_possible) return;
    ck_assert_int_eq(refused(&(nn_picture){.n_charts = -1}), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(&(nn_picture){.n_charts = 1}), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.n = -1)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.n = 1)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CURVE(.n = 1, .x = line)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CURVE(.n = -1)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CURVE(.colour = 9)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CURVE(.dash = 5)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CURVE(.dash = -1)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){NULL, 1, 1, 0, 1, 0, 1})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){value, 0, 1, 0, 1, 0, 1})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){value, 1, 5000, 0, 1, 0, 1})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){value, 1, 1, 1, 1, 0, 1})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){value, 1, 1, 0, 1, 0, NAN})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(CHART(.field = &(nn_field){value, 1, 1, 0, 5e-324, 0, 1})), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(GALLERY(.n = 1, .height = 2, .width = 3)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(GALLERY(.n = 3, .images = images, .width = 3)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(GALLERY(.n = 3, .images = images, .height = 5000, .width = 3)), AG_ERROR_VALUE);
    ck_assert_int_eq(refused(GALLERY(.n = 1000, .columns = 1, .images = images, .height = 2, .width = 3)),
                     AG_ERROR_LIMIT);
}
END_TEST

START_TEST(a_name_is_refused_before_anything_is_drawn) {
    ag_error error = {0};
    static const char *const wrong[] = {"p.jpeg", "png", ".png", "p.svg.", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(nn_picture_check(wrong[i], &error), AG_ERROR_VALUE);
        ck_assert_int_eq(draw(wrong[i], &error), AG_ERROR_VALUE);
        ck_assert_ptr_nonnull(strstr(error.message, "must end in .png or .svg"));
    }
    if (!nnx_picture_possible) return;
    ck_assert_int_eq(nn_picture_check(in_folder("none/p.png"), &error), AG_ERROR_IO);
    ck_assert_int_eq(draw(in_folder("none/p.png"), &error), AG_ERROR_IO);
    ck_assert_int_eq(nn_picture_check(in_folder("p.png"), &error), AG_OK);
    ck_assert_int_eq(folder_count(), 0);
}
END_TEST

START_TEST(a_build_without_cairo_says_so) {
    ag_error error = {0};
    const nn_history none = {.count = 0};
    if (nnx_picture_possible) return;
    ck_assert_int_eq(nn_picture_check(in_folder("p.png"), &error), AG_ERROR_UNSUPPORTED);
    ck_assert_int_eq(draw(in_folder("p.png"), &error), AG_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, "built without cairo"));
    ck_assert_int_eq(nn_history_plot(&none, in_folder("h.svg"), &error), AG_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, "built without cairo"));
    ck_assert_int_eq(folder_count(), 0);
}
END_TEST

static bool draw_once(void) {
    ag_error error = {0};
    const ag_status status = draw(in_folder("p.svg"), &error);
    if (status) ck_assert_int_eq(status, AG_ERROR_MEMORY);
    ck_assert_int_eq(folder_count(), status ? 0 : 1);
    unlink(in_folder("p.svg"));
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    if (nnx_picture_possible) test_every_allocation(draw_once);
}
END_TEST

/* ---- a history ------------------------------------------------------------------------------------------------------ */

static nn_epoch epochs[5];

static nn_history history(size_t metrics, bool validation) {
    nn_history h = {.count = 5, .metrics = metrics, .epoch = epochs, .name = {"accuracy", "f1", "mae"}};
    for (int i = 0; i < 5; i++) {
        epochs[i] = (nn_epoch){.epoch = i, .lr = 0.1 / (i + 1), .loss = pow(0.1, i), .validation_loss = NAN};
        for (size_t k = 0; k < NN_FIT_METRICS; k++) {
            epochs[i].metric[k] = k == 2 ? 40 - i : 0.5 + 0.1 * i;
            epochs[i].validation_metric[k] = validation ? epochs[i].metric[k] * 0.9 : NAN;
        }
        if (validation) epochs[i].validation_loss = 1.0 / (i + 1);
    }
    return h;
}

/* Width and height of an SVG, which tell how many charts are in it. */
static void extent(const nn_history *h, double *width, double *height) {
    ag_error error = {0};
    ck_assert_msg(nn_history_plot(h, in_folder("h.svg"), &error) == AG_OK, "%s", error.message);
    read_file(in_folder("h.svg"), file, sizeof file);
    const char *at = strstr(file, "viewBox=\"0 0 ");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "viewBox=\"0 0 %lf %lf\"", width, height), 2);
}

START_TEST(a_history_has_charts_for_loss_metrics_and_a_rate_that_changed) {
    if (!nnx_picture_possible) return;
    double one, two, wide, high;
    nn_history h = history(0, false);
    for (int i = 0; i < 5; i++) epochs[i].lr = 0.1;
    extent(&h, &one, &two); /* the loss alone */
    h = history(0, false);
    extent(&h, &wide, &high);
    ck_assert_double_eq(wide, one);
    ck_assert_double_gt(high, two); /* and the rate below it */
    ck_assert_double_lt(high, 1.8 * two);
    h = history(2, true); /* two shares in one chart */
    extent(&h, &wide, &high);
    ck_assert_double_eq(wide, 2 * one);
    ck_assert_double_lt(high, 2 * two);
    h = history(3, true); /* and what is none in another, below */
    extent(&h, &wide, &high);
    ck_assert_double_eq(wide, 2 * one);
    ck_assert_double_gt(high, 2 * two);
}
END_TEST

static bool plot_once(void) {
    ag_error error = {0};
    const nn_history h = history(3, true);
    const ag_status status = nn_history_plot(&h, in_folder("h.svg"), &error);
    if (status) ck_assert_int_eq(status, AG_ERROR_MEMORY);
    return status == AG_OK;
}

static bool table_once(void) {
    ag_error error = {0};
    const nn_history h = history(3, true);
    const ag_status status = nn_history_csv(&h, in_folder("h.csv"), &error);
    if (status) ck_assert_int_eq(status, AG_ERROR_MEMORY);
    return status == AG_OK;
}

START_TEST(a_history_that_cannot_be_written_for_want_of_memory_leaves_nothing) {
    test_every_allocation(table_once);
    if (nnx_picture_possible) test_every_allocation(plot_once);
}
END_TEST

Suite *nn_picture_suite(void) {
    Suite *s = suite_create("nn_picture");
    TCase *tc = tcase_create("nn_picture");
    tcase_add_checked_fixture(tc, fill, folder_remove);
    tcase_add_test(tc, ticks_of_a_linear_axis_are_round);
    tcase_add_test(tc, few_numbers_have_an_axis_too);
    tcase_add_test(tc, a_range_of_fifty_asks_for_a_logarithmic_axis);
    tcase_add_test(tc, ticks_of_a_logarithmic_axis_are_powers);
    tcase_add_test(tc, numbers_too_small_to_have_digits_are_left_out_or_nought);
    tcase_add_test(tc, a_range_shorter_than_its_whole_steps_has_one);
    tcase_add_test(tc, a_low_chart_has_fewer_ticks);
    tcase_add_test(tc, epochs_are_whole_and_the_axis_ends_with_them);
    tcase_add_test(tc, a_field_is_shown_from_edge_to_edge);
    tcase_add_test(tc, a_png_is_whole);
    tcase_add_test(tc, an_svg_is_whole_and_its_curves_differ_in_colour_and_dash);
    tcase_add_test(tc, a_picture_of_nothing_is_a_picture);
    tcase_add_test(tc, a_gallery_may_have_room_for_any_number_of_columns);
    tcase_add_test(tc, what_makes_no_sense_is_refused_and_no_file_is_left);
    tcase_add_test(tc, a_name_is_refused_before_anything_is_drawn);
    tcase_add_test(tc, a_build_without_cairo_says_so);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    tcase_add_test(tc, a_history_has_charts_for_loss_metrics_and_a_rate_that_changed);
    tcase_add_test(tc, a_history_that_cannot_be_written_for_want_of_memory_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
