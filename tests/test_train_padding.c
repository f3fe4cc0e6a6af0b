/* train_padding: what lies between parameters in a checkpoint's state and averages, where only zeros belong, goes nowhere. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "support/folder.h"

static const char *file; /* in a folder of each test's own */

static void setup(void) {
    folder_make();
    file = in_folder("run.safetensors");
}

/* How many numbers that are not zero lie between the parameters. */
static int64_t between(const nn_params *p, const ag_tensor *x) {
    const int64_t row = ag_tensor_count(nn_params_slab(p));
    int64_t found = 0;
    for (int64_t k = 0; k < ag_tensor_count(x); k++) {
        bool inside = false;
        for (size_t i = 0; i < nn_params_count(p); i++) {
            const ag_tensor *part = nn_params_tensor(p, i);
            const ptrdiff_t at =
                (const float *)ag_tensor_data(part) - (const float *)ag_tensor_data(nn_params_slab(p));
            inside = inside || (k % row >= at && k % row < at + ag_tensor_count(part));
        }
        found += !inside && ag_tensor_get(x, k) != 0;
    }
    return found;
}

/* A step of gradients 1. */
static void step(nn_params *p, nn_optim *o, nn_ema *ema) {
    ag_error error = {0};
    ag_tape *t = ag_tape_new(NULL);
    ck_assert_ptr_nonnull(t);
    nn_params_zero_grad(p);
    for (size_t i = 0; i < nn_params_count(p); i++)
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_leaf(t, nn_params_tensor(p, i)))), AG_OK);
    ag_tape_free(t);
    ck_assert_int_eq(nn_optim_step(o, &error), AG_OK);
    ck_assert_int_eq(nn_ema_update(ema, &error), AG_OK);
}

/* Numbers there would move the slab's padding, which is in every sum over the slab. */
START_TEST(what_a_file_has_between_parameters_is_left_there) {
    ag_error error = {0};
    nn_module *net = nn_linear(2, 3, &error);
    nn_params *p = nn_params_new(net, AG_F32, 1, &error);
    nn_optim *from = nn_adamw(p, 0.1, NULL, &error), *into = nn_adamw(p, 0.1, NULL, &error);
    nn_ema *ema = nn_ema_new(p, 0.9, &error), *average = nn_ema_new(p, 0.9, &error);
    ck_assert_msg(from && into && ema && average, "%s", error.message);
    ag_tensor *crafted[] = {nn_optim_state(from, 0), nn_optim_state(from, 1), nn_ema_state(ema)};
    const ag_tensor *read[] = {nn_optim_state(into, 0), nn_optim_state(into, 1), nn_ema_state(average)};
    for (int k = 0; k < 3; k++) ck_assert_int_eq(ag_tensor_fill(crafted[k], 7), AG_OK);
    ck_assert_int_gt(between(p, crafted[0]), 0);
    const nn_checkpoint a = {.params = p, .optim = from, .ema = ema};
    const nn_checkpoint b = {.params = p, .optim = into, .ema = average};
    ck_assert_int_eq(nn_checkpoint_save(&a, file, &error), AG_OK);
    ck_assert_msg(nn_checkpoint_load(&b, file, &error) == AG_OK, "%s", error.message);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(between(p, read[k]), 0);
        ck_assert(ag_tensor_get(read[k], 0) == 7);
    }
    step(p, into, average);
    for (int k = 0; k < 3; k++) ck_assert_int_eq(between(p, read[k]), 0);
    ck_assert_int_eq(between(p, nn_params_slab(p)), 0);
    nn_ema_free(average);
    nn_ema_free(ema);
    nn_optim_free(into);
    nn_optim_free(from);
    nn_params_free(p);
    nn_module_free(net);
}
END_TEST

static ag_status bowl(void *user, double *loss, ag_error *error) {
    nn_params *p = user;
    ag_tape *t = ag_tape_new(NULL);
    ck_assert_ptr_nonnull(t);
    nn_params_zero_grad(p);
    const ag_value y = ag_sum_all(ag_square(ag_add_number(ag_leaf(t, nn_params_tensor(p, 0)), -1)));
    *loss = ag_item(y);
    const ag_status status = ag_backward(y);
    ag_tape_free(t);
    return status ? ag_fail(error, status, "bowl") : AG_OK;
}

/* Its pairs are rows as long as the slab; the numbers of its pairs are none, even if there are as many. */
START_TEST(lbfgs_has_rows_that_lie_like_the_slab_and_one_that_does_not) {
    ag_error error = {0};
    nn_module *net = nn_linear(3, 1, &error);
    nn_params *p = nn_params_new(net, AG_F64, 1, &error);
    ck_assert_ptr_nonnull(p);
    const int64_t slab = ag_tensor_count(nn_params_slab(p));
    const nn_lbfgs_options as_long = {.history = slab};
    nn_optim *from = nn_lbfgs(p, 1, &as_long, &error), *into = nn_lbfgs(p, 1, &as_long, &error);
    ck_assert_msg(from && into, "%s", error.message);
    double loss;
    ck_assert_int_eq(nn_optim_step_with(from, bowl, p, &loss, &error), AG_OK);
    ck_assert_uint_eq(nn_optim_state_count(from), 5);
    for (size_t i = 0; i < 5; i++) ck_assert_int_eq(ag_tensor_fill(nn_optim_state(from, i), 7), AG_OK);
    const nn_checkpoint a = {.params = p, .optim = from}, b = {.params = p, .optim = into};
    ck_assert_int_eq(nn_checkpoint_save(&a, file, &error), AG_OK);
    ck_assert_msg(nn_checkpoint_load(&b, file, &error) == AG_OK, "%s", error.message);
    for (size_t i = 0; i < 5; i++) {
        const ag_tensor *x = nn_optim_state(into, i);
        int64_t sevens = 0;
        for (int64_t k = 0; k < ag_tensor_count(x); k++) sevens += ag_tensor_get(x, k) == 7;
        ck_assert_int_eq(sevens, i == 4 ? slab : ag_tensor_count(x) / slab * nn_params_elements(p));
    }
    nn_optim_free(into);
    nn_optim_free(from);
    nn_params_free(p);
    nn_module_free(net);
}
END_TEST

Suite *train_padding_suite(void) {
    Suite *s = suite_create("train_padding");
    TCase *tc = tcase_create("train_padding");
    tcase_add_checked_fixture(tc, setup, folder_remove);
    tcase_add_test(tc, what_a_file_has_between_parameters_is_left_there);
    tcase_add_test(tc, lbfgs_has_rows_that_lie_like_the_slab_and_one_that_does_not);
    suite_add_tcase(s, tc);
    return s;
}
