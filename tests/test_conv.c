/* conv: what the conformance cases do not say about convolution, pooling and upsampling - edges, mistakes, and bits that
 * do not depend on threads. */
#include "ops_support.h"

#define INTS(...)                                                                                                 \
    {                                                                                                             \
        (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), { __VA_ARGS__ }                                      \
    }
#define CONV(...)                                                                                                 \
    &(const ag_conv_options) { __VA_ARGS__ }
#define POOL(...)                                                                                                 \
    &(const ag_pool_options) { __VA_ARGS__ }
static const ag_value none = {0};

/* ---- values ---------------------------------------------------------------------------------------------------- */

START_TEST(the_first_of_several_largest_gets_all_of_the_gradient) {
    for (int type = AG_F32; type <= AG_F64; type++) {
        ag_tape *t = ag_tape_new(NULL);
        const ag_value x = ag_array_leaf(t, (ag_dtype)type, 3, SHAPE(1, 2, 4), LIST(1, 3, 3, 0, 3, 3, -1, 3));
        ag_value index = none;
        const ag_value y = ag_max_pool2d_with_indices(x, POOL(.kernel = INTS(2)), &index);
        EXPECT_SHAPE(y, 1, 1, 2);
        EXPECT(y, 3, 3);
        EXPECT(index, 1, 2);
        ck_assert_int_eq(ag_backward_from(y, ag_array_constant(t, (ag_dtype)type, 3, SHAPE(1, 1, 2), LIST(5, 7))),
                         AG_OK);
        EXPECT_ADJOINT(x, 0, 5, 7, 0, 0, 0, 0, 0);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(the_first_nan_of_a_window_wins) {
    for (int type = AG_F32; type <= AG_F64; type++) {
        ag_tape *t = ag_tape_new(NULL);
        const ag_value x =
            ag_array_leaf(t, (ag_dtype)type, 2, SHAPE(1, 6), LIST(1, NAN, (double)INFINITY, NAN, 2, -1));
        const ag_value y = ag_max_pool1d(x, POOL(.kernel = INTS(4), .stride = INTS(2)));
        EXPECT(y, NAN, NAN);
        ck_assert_int_eq(ag_backward_from(y, ag_array_constant(t, (ag_dtype)type, 2, SHAPE(1, 2), LIST(5, 7))),
                         AG_OK);
        EXPECT_ADJOINT(x, 0, 5, 0, 7, 0, 0);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(padding_is_never_the_largest_and_counts_as_zeros_in_a_mean) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 3), LIST(-1, -2, -6));
    EXPECT(ag_max_pool1d(x, POOL(.kernel = INTS(2), .padding = INTS(1))), -1, -2);
    EXPECT(ag_avg_pool1d(x, POOL(.kernel = INTS(2), .padding = INTS(1))), -0.5, -4);
    EXPECT(ag_avg_pool1d(x, POOL(.kernel = INTS(2), .padding = INTS(1), .count_exclude_pad = true)), -1, -4);
    EXPECT(ag_avg_pool1d(x, POOL(.kernel = INTS(2), .ceil_mode = true)), -1.5, -6);
    EXPECT(ag_avg_pool2d(ag_unsqueeze(x, 0), POOL(.kernel = INTS(1, 3), .divisor_override = 2)), -4.5);
    ag_tape_free(t);
}
END_TEST

START_TEST(parts_of_a_plane_overlap_where_it_does_not_divide) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 5), LIST(1, 2, 6, 4, 8));
    EXPECT(ag_adaptive_avg_pool1d(x, 2), 3, 6);
    EXPECT(ag_adaptive_max_pool2d(ag_unsqueeze(x, 0), 1, 2), 6, 8);
    EXPECT(ag_upsample_nearest1d_to(x, 3), 1, 2, 4);
    EXPECT(ag_upsample_nearest1d(x, 0.5), 1, 6);
    EXPECT(ag_upsample_nearest1d(ag_slice(x, 1, 0, 2, 1), 1.3), 1, 1); /* the size stays, the elements do not */
    EXPECT(ag_upsample_nearest2d(ag_unsqueeze(ag_slice(x, 1, 0, 2, 1), 0), 2), 1, 1, 2, 2, 1, 1, 2, 2);
    EXPECT_SHAPE(ag_adaptive_avg_pool2d(ag_unsqueeze(x, 0), 0, 2), 1, 0, 2);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_transpose_may_add_positions_that_nothing_reaches) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 2), LIST(3, 4));
    const ag_value w = ag_array_leaf(t, AG_F64, 3, SHAPE(1, 1, 1), LIST(2));
    const ag_value b = ag_array_leaf(t, AG_F64, 1, SHAPE(1), LIST(1));
    const ag_value y = ag_conv_transpose1d(x, w, b, CONV(.dilation = INTS(2), .output_padding = INTS(1)));
    EXPECT(y, 7, 9, 1);
    ck_assert_int_eq(ag_backward_from(y, ag_array_constant(t, AG_F64, 2, SHAPE(1, 3), LIST(1, 2, 5))), AG_OK);
    EXPECT_ADJOINT(x, 2, 4);
    EXPECT_ADJOINT(w, 11);
    EXPECT_ADJOINT(b, 8);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_empty_batch_has_no_result_and_no_gradient) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_full(t, AG_F32, 4, SHAPE(0, 2, 4, 4), 1);
    const ag_value w = ag_array_leaf(t, AG_F32, 4, SHAPE(1, 2, 2, 1), LIST(1, 2, 3, 4));
    const ag_value y = ag_max_pool2d(ag_conv2d(x, w, none, NULL), POOL(.kernel = INTS(3, 2)));
    EXPECT_SHAPE(y, 0, 1, 1, 2);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(w, 0, 0, 0, 0);
    EXPECT_SHAPE(ag_upsample_nearest2d_to(x, INT32_MAX, 3), 0, 2, INT32_MAX, 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(mixed_dtypes_promote) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_array_leaf(t, AG_F32, 2, SHAPE(1, 2), LIST(1, 2));
    const ag_value w = ag_array_leaf(t, AG_F64, 3, SHAPE(1, 1, 2), LIST(3, 4));
    const ag_value y = ag_conv1d(x, w, none, NULL);
    ck_assert_int_eq(ag_meta_of(y)->dtype, AG_F64);
    EXPECT(y, 11);
    ck_assert_int_eq(ag_backward_from(y, ag_full(t, AG_F64, 2, SHAPE(1, 1), 1)), AG_OK);
    EXPECT_ADJOINT(x, 3, 4);
    ag_tape_free(t);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------ */

enum { IMAGES = 9, SIDE = 24, FILTERS = 24, WEIGHTS = FILTERS * 4 * 9, PIXELS = IMAGES * 4 * SIDE * SIDE };

/* Adjoints of an image batch and a weight, after a convolution and a pooling on so many threads. */
static void train(int threads, double *dx, double *dw) {
    ag_tape *t = ag_tape_new(&(const ag_tape_options){.threads = threads});
    ag_tensor *x = ag_tensor_new(AG_F32, 4, SHAPE(IMAGES, 4, SIDE, SIDE), NULL);
    ag_tensor *w = ag_tensor_new(AG_F32, 4, SHAPE(FILTERS, 4, 3, 3), NULL);
    ag_random r = {.seed = 5};
    float *at = ag_tensor_write(x);
    for (int i = 0; i < PIXELS; i++) at[i] = (float)ag_random_uniform(&r) - 0.5f;
    at = ag_tensor_write(w);
    for (int i = 0; i < WEIGHTS; i++) at[i] = (float)ag_random_uniform(&r) - 0.5f;
    const ag_value image = ag_leaf(t, x), weight = ag_leaf(t, w);
    const ag_value y = ag_conv2d(image, weight, none, CONV(.padding = INTS(1)));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_max_pool2d(y, POOL(.kernel = INTS(2)))))), AG_OK);
    ck_assert_int_eq(ag_adjoint_f64(image, dx, PIXELS), AG_OK);
    ck_assert_int_eq(ag_adjoint_f64(weight, dw, WEIGHTS), AG_OK);
    ag_tape_free(t);
    ag_tensor_free(x);
    ag_tensor_free(w);
}

START_TEST(bits_do_not_depend_on_the_number_of_threads) {
    static double dx[2][PIXELS], dw[2][WEIGHTS];
    train(1, dx[0], dw[0]);
    train(3, dx[1], dw[1]);
    ck_assert_mem_eq(dx[0], dx[1], sizeof dx[0]);
    ck_assert_mem_eq(dw[0], dw[1], sizeof dw[0]);
    ck_assert(dw[0][0] != 0 && dx[0][0] != 0);
}
END_TEST

/* ---- mistakes ------------------------------------------------------------------------------------------------------ */

static ag_value f(ag_tape *t, int rank, const int64_t *dim) { return ag_full(t, AG_F32, rank, dim, 1); }
#define F(...) f(t, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), SHAPE(__VA_ARGS__))
#define I(...) ag_full(t, AG_I64, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), SHAPE(__VA_ARGS__), 9)

static ag_value named(ag_tape *t, const char *name, ag_value x, ag_value y) {
    const ag_attr size = {.name = "input_size", .kind = AG_FIELD_INTS, .as.ints = {1, {2}}};
    ag_value out[4];
    (void)ag_call(t, name, (const ag_value[]){x, y}, y.tape ? 2 : 1, &(const ag_attrs){1, &size}, out);
    return out[0];
}
static ag_value gathered(ag_tape *t, ag_value x, ag_value index) {
    ag_value out[1];
    (void)ag_call(t, "max_pool2d_gather", (const ag_value[]){x, index}, 2, NULL, out);
    return out[0];
}
static ag_value weighed(ag_tape *t, ag_value x, ag_value dy, ag_ints kernel) {
    const ag_attr size = {.name = "kernel_size", .kind = AG_FIELD_INTS, .as.ints = kernel};
    ag_value out[1];
    (void)ag_call(t, "conv2d_grad_weight", (const ag_value[]){x, dy}, 2, &(const ag_attrs){1, &size}, out);
    return out[0];
}

typedef struct mistake {
    ag_status status;
    const char *says[4]; /* parts of the message; the first begins it */
} mistake;

/* X(expression, status, parts of the message) */
#define MISTAKES(X)                                                                                               \
    X(ag_conv2d(F(2, 3), F(1, 2, 2, 2), none, NULL), SHAPE, "conv2d: ", "rank 3 or 4", "(2, 3)", "(1, 2, 2, 2)")  \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2), none, NULL), SHAPE, "conv2d: ", "weight", "(2, 3, 3)", "(1, 2, 2)")       \
    X(ag_conv2d(F(2, 3, 3), F(1, 3, 2, 2), none, NULL), SHAPE, "conv2d: ", "2 channels", "(2, 3, 3)", "(1, 3,")   \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 4, 2), none, NULL), SHAPE, "conv2d: ", "spans 4", "height", "(1, 2, 4, 2)")   \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 0), none, NULL), SHAPE, "conv2d: ", "kernel is empty", "(2, 3, 3)",        \
      "2, 0)")                                                                                                    \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), F(2), NULL), SHAPE, "conv2d: ", "bias", "(1)", "(2)")                  \
    X(ag_conv2d(F(2, 3, 3), F(1, 1, 2, 2), none, CONV(.groups = 2)), SHAPE, "conv2d: ", "2 groups", "(2,", "(1,") \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.groups = -1)), VALUE, "conv2d: ", "groups", "-1", "(2, 3") \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV({1, {0}}, .groups = 1)), VALUE, "conv2d: ", "stride", "0",  \
      "(2, 3")                                                                                                    \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.padding = {1, {-1}})), VALUE, "conv2d: ", "padding", "-1", \
      "(2, 3")                                                                                                    \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.padding = {1, {INT64_MAX}})), VALUE,                       \
      "conv2d: ", "padding", "9223372036854775807", "(2, 3")                                                      \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.dilation = {1, {INT64_MAX}})), VALUE,                      \
      "conv2d: ", "dilation", "9223372036854775807", "(2, 3")                                                     \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.dilation = {1, {INT32_MAX}})), SHAPE,                      \
      "conv2d: ", "2147483648", "(2, 3, 3)", "(1, 2, 2, 2)")                                                      \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.padding = {1, {INT32_MAX}})), SHAPE,                       \
      "conv2d: ", "too many elements", "(2, 3, 3)", "(1, 2, 2, 2)")                                               \
    X(ag_conv2d(F(2, 3, 3), F(1, 2, 2, 2), none, CONV(.stride = {3, {1, 1, 1}})), VALUE, "conv2d: ", "stride",    \
      "got 3", "(2, 3")                                                                                           \
    X(ag_conv2d(I(2, 3, 3), I(1, 2, 2, 2), none, NULL), DTYPE, "conv2d: ", "i64", "(2, 3, 3)", "(1, 2, 2, 2)")    \
    X(ag_conv1d(F(2, 3), F(1, 2, 4), none, NULL), SHAPE, "conv1d: ", "length", "(2, 3)", "(1, 2, 4)")             \
    X(ag_conv1d(F(2, 3), F(1, 2, 2), F(3), NULL), SHAPE, "conv1d: ", "bias", "(2, 3)", "(1, 2, 2)")               \
    X(ag_conv1d(F(2, 3), F(1, 2, 2), none, CONV(.dilation = {1, {0}})), VALUE, "conv1d: ", "dilation", "0", "(2") \
    X(ag_conv_transpose2d(F(2, 3, 3), F(1, 2, 2, 2), none, NULL), SHAPE, "conv_transpose2d: ", "channels",        \
      "(2, 3, 3)", "(1, 2, 2, 2)")                                                                                \
    X(ag_conv_transpose2d(F(1, 1, 1), F(1, 2, 2, 2), none, CONV(.padding = {1, {1}})), SHAPE,                     \
      "conv_transpose2d: ", "leaves 0", "(1, 1, 1)", "(1, 2, 2, 2)")                                              \
    X(ag_conv_transpose2d(F(1, 1, 1), F(1, 2, 2, 2), none, CONV(.output_padding = {1, {1}})), VALUE,              \
      "conv_transpose2d: ", "output_padding", "1", "(1, 2, 2, 2)")                                                \
    X(ag_conv_transpose1d(F(3, 1), F(3, 2, 2), none, CONV(.groups = 2)), SHAPE, "conv_transpose1d: ", "2 groups", \
      "(3, 1)", "(3, 2, 2)")                                                                                      \
    X(ag_conv_transpose1d(F(3, 1), F(3, 2, 2), none, CONV({1, {0}}, .groups = 1)), VALUE,                         \
      "conv_transpose1d: ", "stride", "0", "(3, 1)")                                                              \
    X(named(t, "conv2d_grad_input", F(1, 3, 3), F(1, 1, 1, 1)), SHAPE, "conv2d_grad_input: ", "(2, 2)",           \
      "(1, 3, 3)", "(1, 1, 1, 1)")                                                                                \
    X(weighed(t, F(1, 3, 3), F(1, 3, 3), (ag_ints){1, {2}}), SHAPE, "conv2d_grad_weight: ", "(2, 2)",             \
      "(1, 3, 3)", "adjoint")                                                                                     \
    X(weighed(t, F(2, 1, 3, 3), F(1, 1, 2, 2), (ag_ints){1, {2}}), SHAPE, "conv2d_grad_weight: ", "batches",      \
      "(2, 1, 3, 3)", "(1, 1, 2, 2)")                                                                             \
    X(weighed(t, F(1, 3, 3), F(1, 3, 3), (ag_ints){0}), VALUE, "conv2d_grad_weight: ", "kernel_size", "0", "(1")  \
    X(ag_max_pool2d(F(3, 3), POOL(.kernel = {1, {2}})), SHAPE, "max_pool2d: ", "rank 3 or 4", "(3, 3)", "2")      \
    X(ag_max_pool2d(F(1, 3, 3), POOL(.kernel = {1, {4}})), SHAPE, "max_pool2d: ", "spans 4", "height",            \
      "(1, 3, 3)")                                                                                                \
    X(ag_max_pool2d(F(1, 3, 0), POOL(.kernel = {1, {1}})), SHAPE, "max_pool2d: ", "empty", "(1, 3, 0)", "axis")   \
    X(ag_max_pool2d(F(1, 3, 3), NULL), VALUE, "max_pool2d: ", "kernel", "0", "(1, 3, 3)")                         \
    X(ag_max_pool2d(F(1, 3, 3), POOL({1, {2}}, {1, {-2}}, .ceil_mode = true)), VALUE, "max_pool2d: ", "stride",   \
      "-2", "(1, 3, 3)")                                                                                          \
    X(ag_max_pool2d(F(1, 3, 3), POOL(.kernel = {1, {2}}, .padding = {1, {2}})), VALUE, "max_pool2d: ", "half",    \
      "got 2", "(1, 3, 3)")                                                                                       \
    X(ag_max_pool2d(I(1, 3, 3), POOL(.kernel = {1, {2}})), DTYPE, "max_pool2d: ", "i64", "(1, 3, 3)", "float")    \
    X(ag_max_pool2d(F(1, 4, 4), POOL(.kernel = {1, {2}}, .padding = {1, {1}}, .dilation = {1, {5}})), SHAPE,      \
      "max_pool2d", "no element", "(1, 4, 4)", "window")                                                          \
    X(ag_max_pool1d(F(3), POOL(.kernel = {1, {2}})), SHAPE, "max_pool1d: ", "rank 2 or 3", "(3)", "2")            \
    X(ag_adaptive_max_pool2d(F(1, 3, 3), -1, 2), VALUE, "adaptive_max_pool2d: ", "output_size", "-1",             \
      "(1, 3, 3)")                                                                                                \
    X(named(t, "max_pool2d_scatter", F(1, 2, 2), I(1, 2, 2)), INDEX, "max_pool2d_scatter: ", "is 9",              \
      "plane of 4", "(1, 2, 2)")                                                                                  \
    X(named(t, "max_pool2d_scatter", F(1, 2, 2), I(1, 2, 1)), SHAPE, "max_pool2d_scatter: ", "one shape",         \
      "(1, 2, 2)", "(1, 2, 1)")                                                                                   \
    X(gathered(t, F(1, 2, 2), I(1, 1, 1)), INDEX, "max_pool2d_gather: ", "is 9", "plane of 4", "(1, 1, 1)")       \
    X(gathered(t, F(1, 2, 2), F(1, 1, 1)), DTYPE, "max_pool2d_gather: ", "i64", "f32", "(1, 1, 1)")               \
    X(gathered(t, F(1, 2, 2), I(2, 1, 1)), SHAPE, "max_pool2d_gather: ", "planes", "(1, 2, 2)", "(2, 1, 1)")      \
    X(ag_avg_pool2d(F(1, 3, 3), POOL(.kernel = {2, {1, 4}})), SHAPE, "avg_pool2d: ", "width", "4", "(1, 3, 3)")   \
    X(ag_avg_pool2d(F(1, 3, 3), POOL(.kernel = {1, {3}}, .padding = {1, {2}})), VALUE, "avg_pool2d: ", "half",    \
      "got 2", "(1, 3, 3)")                                                                                       \
    X(ag_avg_pool1d(I(1, 3), POOL(.kernel = {1, {2}})), DTYPE, "avg_pool1d: ", "i64", "(1, 3)", "float")          \
    X(ag_adaptive_avg_pool2d(F(1, 0, 3), 1, 1), SHAPE, "adaptive_avg_pool2d: ", "empty", "(1, 0, 3)", "axis")     \
    X(ag_adaptive_avg_pool1d(F(1, 3), -2), VALUE, "adaptive_avg_pool1d: ", "output_size", "-2", "(1, 3)")         \
    X(named(t, "adaptive_avg_pool2d_grad", F(3, 3), none), SHAPE, "adaptive_avg_pool2d_grad: ", "rank", "(3, 3)", \
      "adjoint")                                                                                                  \
    X(ag_upsample_nearest2d(F(1, 3, 3), -2), VALUE, "upsample_nearest2d: ", "scale", "-2", "(1, 3, 3)")           \
    X(ag_upsample_nearest2d(F(1, 3, 3), (double)NAN), VALUE, "upsample_nearest2d: ", "scale", "nan", "(1, 3, 3)") \
    X(ag_upsample_nearest2d(F(1, 3, 3), 0.2), SHAPE, "upsample_nearest2d: ", "size 0", "size 3", "(1, 3, 3)")     \
    X(ag_upsample_nearest1d(F(3), 2), SHAPE, "upsample_nearest1d: ", "rank 2 or 3", "(3)", "2")                   \
    X(ag_upsample_nearest1d_to(F(1, 3), 0), VALUE, "upsample_nearest1d: ", "output_size", "0", "(1, 3)")

#define ROW(expression, code, ...) {AG_ERROR_##code, {__VA_ARGS__}},
static const mistake mistakes[] = {MISTAKES(ROW)};
enum { COUNT = sizeof mistakes / sizeof mistakes[0] };

static ag_value make(ag_tape *t, int which) {
    int k = 0;
#define CALL(expression, ...)                                                                                     \
    if (k++ == which) return expression;
    MISTAKES(CALL)
    return none;
}

START_TEST(a_mistake_names_the_operation_and_the_shapes) {
    const mistake *m = &mistakes[_i];
    ag_tape *t = ag_tape_new(NULL);
    const ag_value y = make(t, _i);
    const char *message = ag_tape_message(t);
    ck_assert_msg(!ag_ok(y), "mistake %d went through", _i);
    ck_assert_msg(ag_tape_status(t) == m->status, "%s: %s", ag_status_name(ag_tape_status(t)), message);
    ck_assert_msg(strncmp(message, m->says[0], strlen(m->says[0])) == 0, "begins otherwise: %s", message);
    for (int k = 1; k < 4; k++)
        ck_assert_msg(strstr(message, m->says[k]) != NULL, "does not say '%s': %s", m->says[k], message);
    ag_tape_free(t);
}
END_TEST

Suite *conv_suite(void) {
    Suite *s = suite_create("conv");
    TCase *c = tcase_create("conv");
    tcase_add_test(c, the_first_of_several_largest_gets_all_of_the_gradient);
    tcase_add_test(c, the_first_nan_of_a_window_wins);
    tcase_add_test(c, padding_is_never_the_largest_and_counts_as_zeros_in_a_mean);
    tcase_add_test(c, parts_of_a_plane_overlap_where_it_does_not_divide);
    tcase_add_test(c, a_transpose_may_add_positions_that_nothing_reaches);
    tcase_add_test(c, an_empty_batch_has_no_result_and_no_gradient);
    tcase_add_test(c, mixed_dtypes_promote);
    tcase_add_test(c, bits_do_not_depend_on_the_number_of_threads);
    tcase_add_loop_test(c, a_mistake_names_the_operation_and_the_shapes, 0, COUNT);
    suite_add_tcase(s, c);
    return s;
}
