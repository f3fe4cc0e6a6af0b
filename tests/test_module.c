/* module: names, ownership, scopes. */
#include "nn_support.h"

#include <nn/module_impl.h>

static ag_value pass_on(nn_module *m, nn_pass *pass, ag_value x) {
    for (nn_module *c = m->children; c; c = c->next) x = nn_forward(c, pass, x);
    return x;
}

static nn_module *box(void) {
    nn_module *m = nn_module_new(sizeof *m, "box", pass_on, NULL);
    ck_assert_ptr_nonnull(m);
    return m;
}

/* The layer that module.h shows. */
typedef struct scale {
    nn_module base;
    nn_param *gain;
} scale;

static ag_value scale_forward(nn_module *m, nn_pass *pass, ag_value x) {
    return ag_mul(x, nn_use(pass, ((scale *)m)->gain));
}

static nn_module *scale_new(int64_t n, ag_error *error) {
    scale *s = nn_module_new(sizeof *s, "scale", scale_forward, error);
    if (!s) return NULL;
    s->gain = nn_module_param(&s->base, "gain", 1, &n, nn_init_constant(3), error);
    return s->gain ? &s->base : nn_module_free_null(&s->base);
}

START_TEST(a_module_needs_a_type_a_function_and_room) {
    ag_error error = {0};
    ck_assert_ptr_null(nn_module_new(sizeof(nn_module) - 1, "box", pass_on, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_null(nn_module_new(sizeof(nn_module), "box", NULL, NULL));
    ck_assert_ptr_null(nn_module_new(sizeof(nn_module), NULL, pass_on, NULL));
    nn_module_free(NULL);
}
END_TEST

START_TEST(names_are_given_dotless_and_free) {
    static const char *const bad[] = {"", "a.b", ".", "weight", "inner"};
    nn_module *m = box(), *spare = box();
    const int64_t n = 2;
    ck_assert_ptr_nonnull(nn_module_param(m, "weight", 1, &n, nn_init_constant(0), NULL));
    ck_assert_int_eq(nn_module_child(m, "inner", box(), NULL), AG_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_module_param(m, bad[i], 1, &n, nn_init_constant(0), &error));
        ck_assert_int_eq(error.status, AG_ERROR_NAME);
        ck_assert_int_eq(nn_module_child(m, bad[i], spare, NULL), AG_ERROR_NAME);
    }
    ck_assert_int_eq(nn_module_child(m, NULL, spare, NULL), AG_ERROR_NAME);
    ck_assert_int_eq(nn_module_child(m, "spare", spare, NULL), AG_OK);
    nn_module_free(m);
}
END_TEST

START_TEST(an_impossible_shape_is_refused_where_it_is_declared) {
    nn_module *m = box();
    const int64_t negative = -1, huge[2] = {INT64_MAX / 2, 5};
    ag_error error = {0};
    ck_assert_ptr_null(nn_module_param(m, "weight", 1, &negative, nn_init_constant(0), &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "\"weight\""));
    ck_assert_ptr_null(nn_module_param(m, "weight", 2, huge, nn_init_constant(0), &error));
    ck_assert_ptr_null(nn_module_param(m, "weight", AG_MAX_RANK + 1, huge, nn_init_constant(0), &error));
    ck_assert_ptr_null(m->params);
    nn_module_free(m);
}
END_TEST

START_TEST(a_child_that_failed_keeps_its_own_message) {
    nn_module *m = box();
    ag_error error = {0};
    ck_assert_int_eq(nn_module_child(m, "scale", scale_new(-1, &error), &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "\"gain\""));
    ck_assert_int_eq(nn_module_child(m, "scale", NULL, NULL), AG_ERROR_VALUE);
    ck_assert_ptr_null(m->children);
    nn_module_free(m);
}
END_TEST

START_TEST(a_module_has_one_parent_and_is_not_inside_itself) {
    nn_module *m = box(), *inner = box(), *other = box();
    ck_assert_int_eq(nn_module_child(m, "inner", inner, NULL), AG_OK);
    ck_assert_int_eq(nn_module_child(other, "inner", inner, NULL), AG_ERROR_STATE);
    ck_assert_int_eq(nn_module_child(inner, "outer", m, NULL), AG_ERROR_STATE);
    ck_assert_int_eq(nn_module_child(m, "self", m, NULL), AG_ERROR_STATE);
    nn_module_free(inner); /* owned: nothing happens */
    ck_assert_ptr_eq(m->children, inner);
    nn_module_free(m);
    nn_module_free(other);
}
END_TEST

static int destroyed;
static void count_destroyed(nn_module *m) {
    for (nn_module *c = m->children; c; c = c->next) ck_abort_msg("a child outlived its parent's destroy");
    destroyed++;
}

START_TEST(destroy_runs_once_for_each_module_children_first) {
    nn_module *m[6];
    for (int i = 0; i < 6; i++) {
        m[i] = box();
        m[i]->destroy = count_destroyed;
    }
    static const int parent[] = {0, 0, 0, 1, 1, 2}; /* of module 1, 2, ... */
    for (int i = 1; i < 6; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        ck_assert_int_eq(nn_module_child(m[parent[i]], name, m[i], NULL), AG_OK);
    }
    destroyed = 0;
    nn_module_free(m[0]);
    ck_assert_int_eq(destroyed, 6);
}
END_TEST

START_TEST(a_walk_visits_parents_first_in_order_of_declaration) {
    nn_module *root = box(), *a = box(), *b = box(), *inner = box();
    ck_assert_int_eq(nn_module_child(root, "a", a, NULL), AG_OK);
    ck_assert_int_eq(nn_module_child(root, "b", b, NULL), AG_OK);
    ck_assert_int_eq(nn_module_child(a, "inner", inner, NULL), AG_OK);
    ck_assert_ptr_eq(nnx_module_after(root, root), a);
    ck_assert_ptr_eq(nnx_module_after(root, a), inner);
    ck_assert_ptr_eq(nnx_module_after(root, inner), b);
    ck_assert_ptr_null(nnx_module_after(root, b));
    ck_assert_ptr_null(nnx_module_after(a, inner)); /* a walk below a stays there */
    nn_module_free(root);
}
END_TEST

START_TEST(depth_costs_no_stack) {
    nn_module *m = box();
    for (int i = 0; i < 100000; i++) {
        nn_module *outer = nn_module_new(sizeof *outer, "box", pass_on, NULL);
        if (!outer || nn_module_child(outer, "x", m, NULL)) ck_abort_msg("no module %d", i);
        m = outer;
    }
    int64_t count = 0;
    for (nn_module *at = m; at; at = nnx_module_after(m, at)) count++;
    ck_assert_int_eq(count, 100001);
    nn_module_free(m);
}
END_TEST

START_TEST(a_users_layer_computes_and_gets_gradients) {
    ag_error error = {0};
    nn_module *m = scale_new(2, &error);
    nn_params *p = nn_params_new(m, AG_F64, 0, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    const int64_t n = 2;
    ag_value x = ag_array_constant(t, AG_F64, 1, &n, (const double[]){5, 7});
    ag_value y = ag_sum_all(nn_forward(m, &pass, x));
    ck_assert_double_eq(ag_item(y), 36);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_tensor_grad_get(nn_params_tensor(p, 0), 1), 7);
    ag_tape_free(t);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

/* x times the gain of a child, twice through the child and once by the parameter itself, as tied weights are. */
typedef struct tied {
    nn_module base;
    nn_module *inner;
    nn_param *gain;
} tied;

static ag_value tied_forward(nn_module *m, nn_pass *pass, ag_value x) {
    const tied *t = (tied *)m;
    return ag_mul(nn_forward(t->inner, pass, nn_forward(t->inner, pass, x)), nn_use(pass, t->gain));
}

START_TEST(a_parameter_used_in_several_places_is_one_and_gets_the_sum) {
    tied *m = nn_module_new(sizeof *m, "tied", tied_forward, NULL);
    nn_module *inner = scale_new(1, NULL);
    ck_assert(m && nn_module_child(&m->base, "inner", inner, NULL) == AG_OK);
    m->inner = inner;
    m->gain = inner->params;
    nn_params *p = nn_params_new(&m->base, AG_F64, 0, NULL);
    ck_assert_uint_eq(nn_params_count(p), 1);
    ck_assert_int_eq(ag_tensor_fill(nn_params_tensor(p, 0), 2), AG_OK);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    ag_value y = ag_sum_all(nn_forward(&m->base, &pass, ag_scalar(t, 5)));
    ck_assert_double_eq(ag_item(y), 40); /* 5 gain^3 */
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_tensor_grad_get(nn_params_tensor(p, 0), 0), 60); /* 15 gain^2 */
    ag_tape_free(t);
    nn_params_free(p);
    nn_module_free(&m->base);
}
END_TEST

START_TEST(a_failure_names_the_scope_and_the_parameter) {
    nn_module *m = box();
    ck_assert_int_eq(nn_module_child(m, "encoder", scale_new(2, NULL), NULL), AG_OK);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    ck_assert(!ag_ok(nn_forward(m, &pass, ag_scalar(t, 1)))); /* never packed */
    ck_assert_int_eq(ag_tape_status(t), AG_ERROR_STATE);
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "\"gain\""));
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "encoder"));
    ag_tape_free(t);
    nn_module_free(m);
}
END_TEST

START_TEST(forward_of_nothing_is_an_error_on_the_tape) {
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    ck_assert(!ag_ok(nn_forward(NULL, &pass, ag_scalar(t, 1))));
    ck_assert_int_eq(ag_tape_status(t), AG_ERROR_VALUE);
    ag_tape_free(t);
}
END_TEST

static bool build_tree(void) {
    ag_error error = {0};
    nn_module *m = nn_module_new(sizeof *m, "box", pass_on, &error);
    bool ok = m != NULL;
    for (int i = 0; ok && i < 3; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        nn_module *child = scale_new(4, &error);
        ok = nn_module_child(m, name, child, &error) == AG_OK;
        if (!ok) nn_module_free(child);
    }
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_module_free(m);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build_tree); }
END_TEST

Suite *module_suite(void) {
    Suite *s = suite_create("module");
    TCase *tc = tcase_create("module");
    tcase_add_test(tc, a_module_needs_a_type_a_function_and_room);
    tcase_add_test(tc, names_are_given_dotless_and_free);
    tcase_add_test(tc, an_impossible_shape_is_refused_where_it_is_declared);
    tcase_add_test(tc, a_child_that_failed_keeps_its_own_message);
    tcase_add_test(tc, a_module_has_one_parent_and_is_not_inside_itself);
    tcase_add_test(tc, destroy_runs_once_for_each_module_children_first);
    tcase_add_test(tc, a_walk_visits_parents_first_in_order_of_declaration);
    tcase_add_test(tc, depth_costs_no_stack);
    tcase_add_test(tc, a_users_layer_computes_and_gets_gradients);
    tcase_add_test(tc, a_parameter_used_in_several_places_is_one_and_gets_the_sum);
    tcase_add_test(tc, a_failure_names_the_scope_and_the_parameter);
    tcase_add_test(tc, forward_of_nothing_is_an_error_on_the_tape);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
