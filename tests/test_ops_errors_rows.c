/* ops_errors_rows: mistakes with operations that have no suite of their own - elementwise rows of two operands, and the
 * rows that only derivative rules record. They are called by name, as readers of files do. */
#include "ops_support.h"

typedef struct operand {
    ag_dtype dtype;
    int rank;
    int64_t dim[4];
    double value;
} operand;

typedef struct mistake {
    const char *name;
    ag_status status;
    uint32_t n;
    operand in[3];
    uint32_t n_attrs;
    ag_attr attr[3];
    const char *says;
} mistake;

#define F(...)                                                                                                    \
    { AG_F64, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), {__VA_ARGS__}, 0.5 }
#define SCALAR                                                                                                    \
    { AG_F64, 0, {0}, 0.5 }
#define WHOLE(value, ...)                                                                                         \
    { AG_I64, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), {__VA_ARGS__}, value }
#define INT(name, x)                                                                                              \
    {                                                                                                             \
        name, AG_FIELD_INT, { .integer = x }                                                                      \
    }
#define REAL(name, x)                                                                                             \
    {                                                                                                             \
        name, AG_FIELD_REAL, { .real = x }                                                                        \
    }
#define INTS(name, n, ...)                                                                                        \
    {                                                                                                             \
        name, AG_FIELD_INTS, {                                                                                    \
            .ints = { n, {__VA_ARGS__} }                                                                          \
        }                                                                                                         \
    }
#define ONE(...)                                                                                                  \
    1, { __VA_ARGS__ }
#define TWO(...)                                                                                                  \
    2, { __VA_ARGS__ }
#define THREE(...)                                                                                                \
    3, { __VA_ARGS__ }
#define NONE                                                                                                      \
    0, {                                                                                                          \
        { .name = NULL }                                                                                          \
    }

/* The message begins with the operation's name, says what it should and shows every operand's dtype and shape. */
static void expect_failure(const mistake *m) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_mark mark = ag_tape_mark(t);
    ag_value in[3], out[4];
    for (uint32_t i = 0; i < m->n; i++)
        in[i] = ag_full(t, m->in[i].dtype, m->in[i].rank, m->in[i].dim, m->in[i].value);
    const ag_status status = ag_call(t, m->name, in, m->n, &(const ag_attrs){m->n_attrs, m->attr}, out);
    const char *message = ag_tape_message(t);
    ck_assert_msg(status == m->status, "%s: %s, expected %s: %s", m->name, ag_status_name(status),
                  ag_status_name(m->status), message);
    ck_assert(!ag_ok(out[0]));
    const size_t n = strlen(m->name);
    ck_assert_msg(strncmp(message, m->name, n) == 0 && message[n] == ':', "does not begin with '%s': %s", m->name,
                  message);
    ck_assert_msg(strstr(message, m->says) != NULL, "does not say '%s': %s", m->says, message);
    for (uint32_t i = 0; i < m->n; i++) {
        char text[AG_META_TEXT];
        ag_meta_text(ag_meta_of(in[i]), text, sizeof text);
        ck_assert_msg(strstr(message, text) != NULL, "does not show '%s': %s", text, message);
    }
    ck_assert_int_eq(ag_tape_rewind(t, mark), m->status);
    ag_tape_free(t);
}

/* ---- rows of derivative rules ---------------------------------------------------------------------------------------- */

static const mistake mistakes[] = {
    /* logsumexp.c, softmax.c */
    {"logsumexp_weights", AG_ERROR_DTYPE, TWO(F(2, 3), WHOLE(0, 2, 1)), NONE, "one dtype"},
    {"logsumexp_weights", AG_ERROR_SHAPE, TWO(F(2, 3), F(2, 2)), NONE, "do not broadcast"},
    {"softmax_grad", AG_ERROR_AXIS, TWO(F(2, 3), F(2, 3)), ONE(INT("axis", 2)), "axis 2"},
    {"softmax_grad", AG_ERROR_SHAPE, TWO(F(2, 3), F(3, 2)), NONE, "one shape"},
    {"log_softmax_grad", AG_ERROR_AXIS, TWO(F(2, 3), F(2, 3)), ONE(INT("axis", -3)), "axis -3"},
    {"log_softmax_grad", AG_ERROR_SHAPE, TWO(F(2, 3), F(2)), NONE, "one shape"},
    /* standardize.c */
    {"standardize_grad", AG_ERROR_AXIS, THREE(F(3), F(1), F(3)), ONE(INTS("axes", 1, 1)), "axis 1"},
    {"standardize_grad", AG_ERROR_DTYPE, THREE(WHOLE(1, 3), F(1), F(3)), NONE, "i64"},
    {"standardize_grad", AG_ERROR_SHAPE, THREE(F(3), F(2), F(3)), NONE, "axes of size 1"},
    {"standardize_grad", AG_ERROR_SHAPE, THREE(F(3), F(1), F(2)), NONE, "one shape"},
    {"standardize_grad", AG_ERROR_VALUE, THREE(F(3), F(1), F(3)), ONE(REAL("eps", -1)), "-1"},
    /* softmax_cross_entropy.c */
    {"softmax_cross_entropy", AG_ERROR_DTYPE, TWO(WHOLE(1, 2, 3), WHOLE(0, 2)), NONE, "logits"},
    {"softmax_cross_entropy", AG_ERROR_DTYPE, TWO(F(2, 3), F(2)), NONE, "target"},
    {"softmax_cross_entropy", AG_ERROR_INDEX, TWO(F(2, 3), WHOLE(3, 2)), NONE, "row 0 has target 3"},
    {"softmax_cross_entropy", AG_ERROR_SHAPE, TWO(F(2, 3), WHOLE(0, 3)), NONE, "logits (B, C)"},
    {"softmax_cross_entropy", AG_ERROR_SHAPE, TWO(F(2, 0), WHOLE(0, 2)), NONE, "no classes"},
    {"softmax_cross_entropy", AG_ERROR_VALUE, TWO(F(2, 3), WHOLE(0, 2)), ONE(INT("ignore_index", INT64_MAX)),
     "2^53"},
    {"softmax_cross_entropy_grad", AG_ERROR_DTYPE, THREE(F(2, 3), F(2), SCALAR), NONE, "target"},
    {"softmax_cross_entropy_grad", AG_ERROR_INDEX, THREE(F(2, 3), WHOLE(-1, 2), SCALAR), NONE,
     "row 0 has target -1"},
    {"softmax_cross_entropy_grad", AG_ERROR_SHAPE, THREE(F(2, 3), WHOLE(0, 2), F(2)), NONE, "rank 0"},
    {"softmax_cross_entropy_grad", AG_ERROR_SHAPE, THREE(F(2, 3), WHOLE(0, 3), SCALAR), NONE, "logits (B, C)"},
    {"softmax_cross_entropy_grad", AG_ERROR_VALUE, THREE(F(2, 3), WHOLE(0, 2), SCALAR),
     ONE(INT("ignore_index", INT64_MIN)), "2^53"},
    /* index.c, diagonal.c, det.c, triangular.c */
    {"slice_grad", AG_ERROR_AXIS, ONE(F(2, 3)), TWO(INT("axis", 2), INT("size", 5)), "axis 2"},
    {"slice_grad", AG_ERROR_INDEX, ONE(F(5)), TWO(INT("start", 1), INT("size", 5)), "do not lie in size 5"},
    {"slice_grad", AG_ERROR_SHAPE, ONE(F(2)), ONE(INT("size", INT64_MAX)), "too many"},
    {"diagonal_grad", AG_ERROR_AXIS, ONE(F(3)), THREE(INT("axis1", -1), INT("size1", 3), INT("size2", 3)),
     "twice"},
    {"diagonal_grad", AG_ERROR_SHAPE, ONE(F(2)), TWO(INT("size1", 3), INT("size2", 3)), "does not have 2"},
    {"diagonal_grad", AG_ERROR_SHAPE, ONE(SCALAR), TWO(INT("size1", 3), INT("size2", 3)), "rank 0"},
    {"cofactors", AG_ERROR_DTYPE, ONE(WHOLE(1, 2, 2)), NONE, "i64"},
    {"cofactors", AG_ERROR_SHAPE, ONE(F(2, 3)), NONE, "square"},
    {"triangular_part", AG_ERROR_DTYPE, ONE(WHOLE(1, 2, 2)), NONE, "i64"},
    {"triangular_part", AG_ERROR_SHAPE, ONE(F(2, 3)), NONE, "square"},
    /* pooling.c, average_pooling.c */
    {"max_pool2d_with_indices", AG_ERROR_DTYPE, ONE(WHOLE(1, 1, 4, 4)), ONE(INTS("kernel", 1, 2)), "i64"},
    {"max_pool2d_with_indices", AG_ERROR_SHAPE, ONE(F(4, 4)), ONE(INTS("kernel", 1, 2)), "rank 3 or 4, got 2"},
    {"max_pool2d_with_indices", AG_ERROR_SHAPE, ONE(F(1, 4, 4)), ONE(INTS("kernel", 1, 5)), "5 positions"},
    {"max_pool2d_with_indices", AG_ERROR_VALUE, ONE(F(1, 4, 4)), ONE(INTS("kernel", 1, 0)), "kernel"},
    {"adaptive_max_pool2d_with_indices", AG_ERROR_DTYPE, ONE(WHOLE(1, 1, 4, 4)), ONE(INTS("output_size", 1, 2)),
     "i64"},
    {"adaptive_max_pool2d_with_indices", AG_ERROR_SHAPE, ONE(F(4, 4)), ONE(INTS("output_size", 1, 2)), "got 2"},
    {"adaptive_max_pool2d_with_indices", AG_ERROR_VALUE, ONE(F(1, 4, 4)), NONE, "output_size is missing"},
    {"avg_pool2d_grad", AG_ERROR_DTYPE, ONE(WHOLE(1, 1, 2, 2)),
     TWO(INTS("kernel", 1, 2), INTS("input_size", 1, 4)), "i64"},
    {"avg_pool2d_grad", AG_ERROR_SHAPE, ONE(F(1, 3, 2)), TWO(INTS("kernel", 1, 2), INTS("input_size", 1, 4)),
     "planes of (2, 2)"},
    {"avg_pool2d_grad", AG_ERROR_VALUE, ONE(F(1, 2, 2)), TWO(INTS("kernel", 1, -1), INTS("input_size", 1, 4)),
     "kernel"},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_by_name_and_shows_the_shapes) { expect_failure(&mistakes[_i]); }
END_TEST

/* ---- elementwise rows ------------------------------------------------------------------------------------------------ */

START_TEST(elementwise_operands_must_broadcast) {
    static const struct {
        operand x, y;
        const char *says;
    } pairs[] = {
        {F(2, 3), F(2, 4), "3 against 4 at axis -1"},
        {F(2, 3), F(3, 3), "2 against 3 at axis -2"},
        {F(2), F(3, 3), "2 against 3 at axis -1"},
        {F(0), F(2, 2), "0 against 2 at axis -1"},
    };
    int rows = 0;
    for (uint32_t i = 0; ag_op_at(i); i++) {
        const ag_op *op = ag_op_at(i);
        if (!(op->traits & AG_TRAIT_ELEMENTWISE) || op->min_in != 2) continue;
        if (strcmp(op->name, "logical_and") == 0) continue; /* takes bools */
        rows++;
        for (int k = 0; k < 4; k++)
            expect_failure(&(const mistake){.name = op->name,
                                            .status = AG_ERROR_SHAPE,
                                            .n = 2,
                                            .in = {pairs[k].x, pairs[k].y},
                                            .says = pairs[k].says});
    }
    ck_assert_int_ge(rows, 21);
}
END_TEST

Suite *ops_errors_rows_suite(void) {
    Suite *s = suite_create("ops_errors_rows");
    TCase *c = tcase_create("ops_errors_rows");
    tcase_add_loop_test(c, a_mistake_fails_by_name_and_shows_the_shapes, 0, MISTAKES);
    tcase_add_test(c, elementwise_operands_must_broadcast);
    suite_add_tcase(s, c);
    return s;
}
