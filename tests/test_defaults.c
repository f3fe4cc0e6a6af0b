/* defaults: what a row takes where a call by name leaves an attribute out. */
#include "core_support.h"

#include <math.h>
#include <string.h>

/* Of the functions of these names in torch and torch.nn.functional 1.13, by inspect.signature and the documentation; None
 * is what the row's header says. correction is 1 for unbiased=True; p of norm is that of a vector. */
static const struct {
    const char *row, *attribute;
    double value;
} torch_default[] = {
    {"leaky_relu", "c", 0.01}, /* negative_slope */
    {"elu", "c", 1},           /* alpha          */
    {"celu", "c", 1},          /* alpha          */
    {"smooth_l1", "c", 1},     /* beta           */
    {"huber", "c", 1},         /* delta          */
    {"smooth_l1_loss", "beta", 1},
    {"huber_loss", "delta", 1},
    {"clamp", "min", -INFINITY},
    {"clamp", "max", INFINITY},
    {"dropout", "p", 0.5},
    {"layer_norm", "eps", 1e-5},
    {"group_norm", "eps", 1e-5},
    {"batch_norm", "eps", 1e-5},
    {"batch_norm", "training", 0},
    {"instance_norm", "eps", 1e-5},
    {"cosine_similarity", "axis", 1},
    {"cosine_similarity", "eps", 1e-8},
    {"normalize", "p", 2},
    {"normalize", "axis", 1},
    {"normalize", "eps", 1e-12},
    {"hinge_embedding_loss", "margin", 1},
    {"cosine_embedding_loss", "margin", 0},
    {"multi_margin_loss", "p", 1},
    {"multi_margin_loss", "margin", 1},
    {"cross_entropy", "ignore_index", -100},
    {"cross_entropy", "label_smoothing", 0},
    {"cross_entropy", "reduction", 0},
    {"nll_loss", "ignore_index", -100},
    {"kl_div", "log_target", 0},
    {"addcmul", "value", 1},
    {"pad", "value", 0},
    {"var", "correction", 1},
    {"std", "correction", 1},
    {"norm", "p", 2},
    {"sort", "axis", -1},
    {"sort", "descending", 0},
    {"topk", "axis", -1},
    {"topk", "largest", 1},
    {"tril", "diagonal", 0},
    {"triu", "diagonal", 0},
    {"diagonal", "offset", 0},
    {"diagonal", "axis1", 0},
    {"diagonal", "axis2", 1},
    {"diag_embed", "axis1", -2},
    {"diag_embed", "axis2", -1},
    {"flatten", "start_axis", 0},
    {"flatten", "end_axis", -1},
    {"stack", "axis", 0},
    {"cat", "axis", 0},
    {"conv2d", "groups", 1},
    {"conv_transpose2d", "groups", 1},
    {"max_pool2d", "ceil_mode", 0},
    {"avg_pool2d", "ceil_mode", 0},
    {"avg_pool2d", "count_include_pad", 1},
    {"solve_triangular", "left", 1},
    {"solve_triangular", "unitriangular", 0},
};

START_TEST(attributes_default_to_what_they_do_in_pytorch) {
    for (size_t i = 0; i < sizeof torch_default / sizeof *torch_default; i++) {
        const ag_op *op = ag_op_find(torch_default[i].row);
        const ag_field *field = NULL;
        for (uint32_t k = 0; op && k < op->n_fields; k++)
            if (strcmp(op->fields[k].name, torch_default[i].attribute) == 0) field = &op->fields[k];
        ck_assert_msg(field != NULL, "%s has no %s", torch_default[i].row, torch_default[i].attribute);
        ck_assert_msg(field->default_value == torch_default[i].value, "%s: %s = %g, not %g", op->name, field->name,
                      field->default_value, torch_default[i].value);
    }
}
END_TEST

/* By name and without its number, of a scalar and of an array. */
START_TEST(a_row_without_its_number_takes_the_default) {
    static const struct {
        const char *row;
        double at, value;
    } expected[] = {
        {"leaky_relu", -2, -0.02},
        {"elu", -2, -0.8646647167633873},
        {"celu", -2, -0.8646647167633873},
        {"smooth_l1", 0.5, 0.125},
        {"huber", 3, 2.5},
        {"add_number", 3, 3},
        {"mul_number", 3, 3},
        {"pow_number", 3, 3},
        {"clamp_min", -1e300, -1e300},
        {"clamp_max", 1e300, 1e300},
        {"polygamma", 1, -0.57721566490153286},
    };
    ag_tape *t = ag_tape_new(NULL);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const ag_value x[2] = {ag_scalar(t, expected[i].at),
                               ag_full(t, AG_F64, 1, (int64_t[]){1}, expected[i].at)};
        for (int k = 0; k < 2; k++) {
            ag_value y;
            ck_assert_int_eq(ag_call(t, expected[i].row, &x[k], 1, NULL, &y), AG_OK);
            double got;
            ck_assert_int_eq(ag_read_f64(y, &got, 1), AG_OK);
            ck_assert_msg(fabs(got - expected[i].value) <= 1e-15 * fabs(expected[i].value), "%s(%g) = %.17g",
                          expected[i].row, expected[i].at, got);
        }
    }
    ag_tape_free(t);
}
END_TEST

Suite *defaults_suite(void) {
    Suite *s = suite_create("defaults");
    TCase *c = tcase_create("defaults");
    tcase_add_test(c, attributes_default_to_what_they_do_in_pytorch);
    tcase_add_test(c, a_row_without_its_number_takes_the_default);
    suite_add_tcase(s, c);
    return s;
}
