/* gradcheck: right gradients pass, every kind of wrong one is caught and called by its name, and misuse is an error. */
#include "op_support.h"

/* ---- an operation with faults ------------------------------------------------------------------------------------ */

enum fault { RIGHT, SIGN, DOUBLE, THIRD, MISSING, ONE_ELEMENT, ONE_SWEEP, SECOND_ORDER };
static enum fault fault;

static ag_status sine_forward(const ag_eval *e) {
    const double *x = e->in[0].data;
    double *y = e->out[0].data;
    for (int64_t i = 0, n = ag_meta_count(e->out[0].meta); i < n; i++) y[i] = sin(x[i]);
    return AG_OK;
}
static ag_status cosine_forward(const ag_eval *e) {
    const double *x = e->in[0].data;
    double *y = e->out[0].data;
    for (int64_t i = 0, n = ag_meta_count(e->out[0].meta); i < n; i++) y[i] = cos(x[i]);
    return AG_OK;
}
static ag_status cosine_vjp(ag_reverse *r) { /* should be -sin */
    ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_sin(ag_in(r, 0))));
    return AG_OK;
}
static const ag_op cosine = {.name = "test_cosine",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .keeps = AG_IN(0),
                             .infer = same_shape,
                             .forward = cosine_forward,
                             .vjp = cosine_vjp};

static ag_status sine_vjp(ag_reverse *r) {
    const ag_value x = ag_in(r, 0), good = ag_mul(ag_dy(r, 0), ag_cos(x));
    const int64_t last[] = {ag_meta_count(ag_in_meta(r, 0)) - 1};
    switch (fault) {
    case RIGHT: ag_give(r, 0, good); break;
    case SIGN: ag_give(r, 0, ag_neg(good)); break;
    case DOUBLE: ag_give(r, 0, ag_mul_number(good, 2)); break;
    case THIRD: ag_give(r, 0, ag_mul_number(good, -1.0 / 3)); break;
    case MISSING: break;
    case ONE_ELEMENT:
        ag_give(r, 0,
                ag_add(good, ag_index_scatter(ag_full(ag_rule_tape(r), AG_F64, 1, (const int64_t[]){1}, 0.5), 0,
                                              ag_array_constant(ag_rule_tape(r), AG_I64, 1, (const int64_t[]){1},
                                                                (const double[]){(double)(last[0] / 2)}),
                                              last[0] + 1)));
        break;
    case ONE_SWEEP: ag_give(r, 0, ag_rule_recorded(r) ? good : ag_mul_number(good, 2)); break;
    case SECOND_ORDER: ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_apply(NULL, &cosine, &x, 1, NULL))); break;
    }
    return AG_OK;
}
static const ag_probe sine_probe = {.lo = {-2}, .hi = {2}};
static const ag_op sine = {.name = "test_sine",
                           .min_in = 1,
                           .max_in = 1,
                           .outputs = 1,
                           .traits = AG_TRAIT_ELEMENTWISE,
                           .keeps = AG_IN(0),
                           .infer = same_shape,
                           .forward = sine_forward,
                           .vjp = sine_vjp,
                           .probe = &sine_probe};

static ag_value sine_of(ag_value x) { return ag_apply(NULL, &sine, &x, 1, NULL); }

/* ---- claims about reports ------------------------------------------------------------------------------------------ */

static char text[8192];

static const char *text_of(const ag_gradcheck_report *r) {
    ck_assert_uint_lt(ag_gradcheck_text(r, text, sizeof text), sizeof text);
    return text;
}
static void require_verdict(const ag_gradcheck_report *r, ag_gradcheck_verdict verdict) {
    ck_assert_msg(r->verdict == verdict, "verdict %d, not %d: %s", (int)r->verdict, (int)verdict, text_of(r));
}
static void require_text(const ag_gradcheck_report *r, const char *const *words) {
    for (text_of(r); *words; words++) ck_assert_msg(strstr(text, *words), "'%s' is not in: %s", *words, text);
}
static const double some[] = {-1.2, 0.4, 2.5, 0.3, -0.7, 1.1};
static const ag_gradcheck_input three = {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = some};

static ag_gradcheck_report check(ag_gradcheck_function *f, void *user, const ag_gradcheck_input *in, int n) {
    ag_gradcheck_report r;
    ck_assert_msg(ag_gradcheck(f, user, in, n, NULL, &r) == AG_OK, "%s", r.error.message);
    return r;
}

/* ---- right ones ------------------------------------------------------------------------------------------------------ */

static ag_value mixture(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)user;
    ck_assert_int_eq(n, 5); /* scalar, (2, 3), mask (2, 3), index (2), scalar constant */
    const ag_value h = ag_where(in[2], ag_tanh(ag_mul(in[1], in[0])), ag_exp(in[1]));
    return ag_mul(ag_index_select(ag_matmul(h, ag_transpose(in[1], 0, 1)), 1, in[3]), in[4]);
}

START_TEST(a_right_function_of_every_kind_of_input_passes) {
    const double mask[] = {1, 0, 1, 0, 0, 1}, index[] = {1, 0};
    for (int strided = 0; strided < 2; strided++) {
        const ag_gradcheck_input in[] = {
            {.dtype = AG_F64, .values = some + 1, .scalar = true},
            {.dtype = AG_F64, .rank = 2, .dim = {2, 3}, .values = some, .strided = strided},
            {.dtype = AG_BOOL, .rank = 2, .dim = {2, 3}, .values = mask, .strided = strided},
            {.dtype = AG_I64, .rank = 1, .dim = {2}, .values = index},
            {.dtype = AG_F64, .values = some + 2, .scalar = true, .constant = true},
        };
        const ag_gradcheck_report r = check(mixture, NULL, in, 5);
        require_verdict(&r, AG_GRADCHECK_PASSED);
        ck_assert_int_eq(r.order, 2);
        ck_assert_int_eq(r.compared, 7);
        ck_assert(r.deterministic && r.sweeps_agree && !r.searched);
        require_text(&r, WORDS("passed", "order 2"));
    }
}
END_TEST

static ag_value use_sine(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    return sine_of(in[0]);
}

START_TEST(large_inputs_are_checked_along_directions_and_a_failure_names_its_element) {
    enum { LARGE = 500 };
    double values[LARGE];
    ag_random random = {.seed = 5};
    random_values(&random, values, LARGE, -2, 2, 0);
    const ag_gradcheck_input x = {.dtype = AG_F64, .rank = 1, .dim = {LARGE}, .values = values};
    ag_gradcheck_report r = check(use_sine, NULL, &x, 1);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    ck_assert_int_eq(r.mode, AG_GRADCHECK_DIRECTIONS);
    ck_assert_int_eq(r.compared, 8);
    fault = ONE_ELEMENT;
    r = check(use_sine, NULL, &x, 1);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    ck_assert_int_eq(r.mode, AG_GRADCHECK_ELEMENTS);
    ck_assert_int_eq(r.compared, LARGE);
    ck_assert_int_eq(r.disagreeing, 1);
    ck_assert_int_eq(r.worst.index[0], (LARGE - 1) / 2);
    ck_assert_double_eq_tol(r.worst.analytic - r.worst.numeric, 0.5, 1e-6);
}
END_TEST

static ag_value large_numbers(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    return ag_add_number(ag_sin(in[0]), 1e6); /* rounding drowns the finest steps */
}
static ag_value bent(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    return ag_sin(ag_mul_number(in[0], 300)); /* curvature spoils the coarse ones */
}

START_TEST(one_step_size_need_not_suit_every_function) {
    ag_gradcheck_report r;
    const ag_gradcheck_options first = {.order = 1};
    ck_assert_int_eq(ag_gradcheck(large_numbers, NULL, &three, 1, &first, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    ck_assert_int_eq(ag_gradcheck(bent, NULL, &three, 1, &first, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_PASSED);
}
END_TEST

static ag_value random_function(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    return ag_square(ag_dropout(in[0], 0.4));
}
static ag_value changing(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n;
    return ag_mul_number(in[0], ++*(int *)user);
}

static ag_value alternating(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n;
    return ag_mul_number(in[0], 1 + (++*(int *)user & 1));
}

START_TEST(random_operations_replay_and_hidden_state_is_noticed) {
    ag_gradcheck_report r = check(random_function, NULL, &three, 1);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    int calls = 0;
    r = check(changing, &calls, &three, 1);
    require_verdict(&r, AG_GRADCHECK_CHANGING);
    ck_assert(!r.deterministic);
    require_text(&r, WORDS("not deterministic", "twice", "a counter"));
    r = check(alternating, &calls, &three, 1);
    require_verdict(&r, AG_GRADCHECK_CHANGING);
}
END_TEST

START_TEST(every_registered_operation_passes_by_its_probe) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    const bool own_shapes = op->probe && op->probe->n_cases == 0;
    if (!op->probe || op->max_in == 0 || !op->vjp) return;
    const double number = 1.7;
    ag_gradcheck_report r;
    const ag_status status = ag_gradcheck_op(op, own_shapes && op->attr_size ? &number : NULL, NULL, 0, NULL, &r);
    ck_assert_msg(status == AG_OK || r.error.status == AG_ERROR_VALUE, "%s: %s", op->name, r.error.message);
    if (status == AG_OK) require_verdict(&r, AG_GRADCHECK_PASSED);
}
END_TEST

/* ---- wrong ones -------------------------------------------------------------------------------------------------------- */

static ag_gradcheck_report check_sine(enum fault with) {
    ag_gradcheck_report r;
    fault = with;
    ck_assert_msg(ag_gradcheck_op(&sine, NULL, &three, 1, NULL, &r) == AG_OK, "%s", r.error.message);
    return r;
}

START_TEST(a_flipped_sign_a_factor_and_a_missing_rule_are_called_by_name) {
    ag_gradcheck_report r = check_sine(RIGHT);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    r = check_sine(SIGN);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    ck_assert_int_eq(r.order, 1);
    ck_assert_int_eq(r.disagreeing, 3);
    ck_assert_int_eq(r.worst.input, 0);
    ck_assert_double_eq_tol(r.worst.analytic, -r.worst.numeric, 1e-8);
    ck_assert_str_eq(r.operation, "test_sine");
    require_text(
        &r, WORDS("FAILED", "the sign is flipped", "input 0, element [", "h = 1e-05", "no kink", "test_sine"));
    r = check_sine(DOUBLE);
    require_text(&r, WORDS("a factor of 2 too large"));
    r = check_sine(THIRD);
    require_text(&r, WORDS("a factor of -1/3 too small"));
    r = check_sine(MISSING);
    require_text(&r, WORDS("missing"));
}
END_TEST

START_TEST(a_fault_of_one_sweep_alone_is_found) {
    const ag_gradcheck_report r = check_sine(ONE_SWEEP);
    require_verdict(&r, AG_GRADCHECK_SWEEPS);
    ck_assert(!r.sweeps_agree);
    ck_assert_str_eq(r.operation, "test_sine");
    require_text(&r, WORDS("ag_backward is wrong", "DISAGREE", "a factor of 2"));
}
END_TEST

static ag_value sweeping(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    ag_value y = ag_mul(in[0], in[0]);
    (void)!ag_backward(y);
    return y;
}

START_TEST(a_sweep_inside_the_function_is_no_fault_of_an_operation) {
    const ag_gradcheck_input one = {.dtype = AG_F64, .values = some, .scalar = true};
    const ag_gradcheck_report r = check(sweeping, NULL, &one, 1);
    require_verdict(&r, AG_GRADCHECK_SWEEPS);
    ck_assert_uint_eq(r.record, 0);
    ck_assert(r.worst.error > r.tolerance); /* of the sweeps, and what is allowed between them */
    require_text(&r, WORDS("inside", "ag_backward adds"));
    ck_assert_ptr_null(strstr(text, "ag_detach"));
}
END_TEST

static ag_status doubled_jvp(ag_forward *f) {
    ag_give_tangent(f, 0, ag_mul_number(ag_mul(ag_tangent(f, 0), ag_cos(ag_primal_in(f, 0))), 2));
    return AG_OK;
}
static ag_status no_rule(ag_forward *f) {
    (void)f;
    return AG_ERROR_DERIVATIVE;
}
static ag_status misshapen_jvp(ag_forward *f) {
    ag_give_tangent(f, 0, ag_full(ag_forward_tape(f), AG_F64, 1, (const int64_t[]){7}, 1));
    return AG_OK;
}

START_TEST(a_wrong_forward_rule_is_found_and_a_missing_one_is_said) {
    ag_op op = sine;
    op.jvp = doubled_jvp;
    fault = RIGHT;
    ag_gradcheck_report r;
    ck_assert_int_eq(ag_gradcheck_op(&op, NULL, &three, 1, NULL, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_FORWARD);
    ck_assert_int_eq(r.order, 1);
    ck_assert(!r.forward_agrees);
    ck_assert_double_eq_tol(r.tangent, 2 * r.cotangent, 1e-12);
    ck_assert_str_eq(r.operation, "test_sine");
    require_text(&r, WORDS("ag_jvp is wrong", "<Jv, w>", "a factor of 2 too large", "test_sine"));
    r = check_sine(RIGHT); /* its reverse rule is transposed */
    ck_assert(r.forward_ran && r.forward_agrees);
    require_text(&r, WORDS("passed", "forward mode agrees"));

    op.jvp = no_rule;
    ck_assert_int_eq(ag_gradcheck_op(&op, NULL, &three, 1, NULL, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    ck_assert(!r.forward_ran && !r.forward_agrees);
    require_text(&r, WORDS("passed", "has not been compared"));

    op.jvp = misshapen_jvp;
    ck_assert_int_eq(ag_gradcheck_op(&op, NULL, &three, 1, NULL, &r), AG_ERROR_SHAPE);
    require_verdict(&r, AG_GRADCHECK_NOT_RUN);
    ck_assert_ptr_nonnull(strstr(r.error.message, "test_sine"));
}
END_TEST

START_TEST(a_fault_of_the_second_order_is_traced_to_the_derivative_that_has_it) {
    const ag_gradcheck_report r = check_sine(SECOND_ORDER);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    ck_assert_int_eq(r.order, 2);
    ck_assert_str_eq(r.operation, "test_cosine");
    require_text(&r, WORDS("order 2", "test_cosine", "the sign is flipped"));
}
END_TEST

START_TEST(the_probe_of_a_wrong_operation_finds_it) {
    ag_gradcheck_report r;
    fault = SIGN;
    ck_assert_int_eq(ag_gradcheck_op(&sine, NULL, NULL, 0, NULL, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    require_text(&r, WORDS("test_sine, shapes 0"));
}
END_TEST

static ag_value composite(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)n, (void)user;
    const ag_value h = ag_tanh(ag_mul(in[0], in[1]));
    ag_scope_begin(t, "middle");
    const ag_value s = ag_label(sine_of(ag_add(h, in[1])), "s");
    ag_scope_end(t);
    return ag_mul(ag_exp(s), sine_of(h));
}

START_TEST(of_a_composite_function_the_first_wrong_operation_is_named) {
    const ag_gradcheck_input in[] = {three, {.dtype = AG_F64, .values = some, .scalar = true}};
    fault = RIGHT;
    ag_gradcheck_report r = check(composite, NULL, in, 2);
    require_verdict(&r, AG_GRADCHECK_PASSED);
    fault = SIGN;
    r = check(composite, NULL, in, 2);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    ck_assert_str_eq(r.operation, "test_sine");
    ck_assert_int_eq(r.local.input, 0);
    require_text(&r,
                 WORDS("the first operation of the tape that disagrees: test_sine", "'s'", "middle", "operand 0"));
}
END_TEST

static ag_value scalars(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    const ag_value w[] = {in[0], in[1]}, x[] = {ag_tanh(in[1]), ag_pow_number(in[0], 3)};
    const ag_value z = ag_affine(w, x, 2, in[0]);
    return ag_mul(z, ag_detach(z));
}

START_TEST(a_path_that_was_cut_is_told_from_a_wrong_rule) {
    const ag_gradcheck_input in[] = {{.dtype = AG_F64, .values = some + 1, .scalar = true},
                                     {.dtype = AG_F64, .values = some + 3, .scalar = true}};
    const ag_gradcheck_report r = check(scalars, NULL, in, 2);
    require_verdict(&r, AG_GRADCHECK_WRONG);
    ck_assert(r.searched);
    ck_assert_uint_eq(r.record, 0);
    require_text(&r, WORDS("ag_detach", "1/2"));
}
END_TEST

/* ---- points without a derivative ------------------------------------------------------------------------------------------ */

static ag_value one_of(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n;
    switch (*(const int *)user) {
    case 0: return ag_relu(in[0]);
    case 1: return ag_abs(in[0]);
    case 2: return ag_sqrt(in[0]);
    default: return ag_log(in[0]);
    }
}

START_TEST(a_kink_is_told_from_a_bug) {
    static const double at[] = {0.5, 0, 2};
    const ag_gradcheck_input x = {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = at};
    for (int which = 0; which < 2; which++) {
        const ag_gradcheck_report r = check(one_of, &which, &x, 1);
        require_verdict(&r, AG_GRADCHECK_KINK);
        ck_assert_int_eq(r.order, which + 1); /* |x| is even: 0 is its difference, too, but its derivative jumps */
        ck_assert_int_eq(r.worst.index[0], 1);
        ck_assert(which ? r.worst.jump : r.worst.kink);
        if (!which) ck_assert_str_eq(r.operation, "relu");
        require_text(&r, WORDS(which ? "a jump" : "there is a kink", "choose another"));
    }
}
END_TEST

START_TEST(the_edge_of_the_domain_and_what_lies_outside_are_no_bugs) {
    static const double zero[] = {0}, below[] = {-1};
    const ag_gradcheck_input x = {.dtype = AG_F64, .rank = 1, .dim = {1}, .values = zero},
                             y = {.dtype = AG_F64, .rank = 1, .dim = {1}, .values = below};
    ag_gradcheck_report r = check(one_of, &(int){2}, &x, 1);
    require_verdict(&r, AG_GRADCHECK_KINK);
    require_text(&r, WORDS("edge of the function's domain"));
    r = check(one_of, &(int){3}, &y, 1);
    require_verdict(&r, AG_GRADCHECK_NOT_FINITE);
    require_text(&r, WORDS("not finite"));
}
END_TEST

/* ---- misuse, memory, text ---------------------------------------------------------------------------------------------------- */

static ag_value failing_function(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)n, (void)user;
    return ag_add(in[0], ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, some));
}
static ag_value no_value(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)in, (void)n, (void)user;
    return (ag_value){0};
}
static ag_value in_f32(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t, (void)n, (void)user;
    return ag_cast(in[0], AG_F32);
}

static void refused(ag_gradcheck_function *f, const ag_gradcheck_input *in, int n,
                    const ag_gradcheck_options *options, ag_status status, const char *word) {
    ag_gradcheck_report r;
    ck_assert_int_eq(ag_gradcheck(f, NULL, in, n, options, &r), status);
    require_verdict(&r, AG_GRADCHECK_NOT_RUN);
    ck_assert_int_eq(r.error.status, status);
    require_text(&r, WORDS("could not be made", word));
}

START_TEST(misuse_is_an_error_that_says_what) {
    ag_gradcheck_input x = three;
    refused(use_sine, &x, 0, NULL, AG_ERROR_VALUE, "at least one input");
    refused(NULL, &x, 1, NULL, AG_ERROR_VALUE, "no function");
    refused(use_sine, &x, 1, &(ag_gradcheck_options){.order = 3}, AG_ERROR_VALUE, "order");
    refused(use_sine, &x, 1, &(ag_gradcheck_options){.tolerance = -1}, AG_ERROR_VALUE, "tolerances");
    refused(failing_function, &x, 1, NULL, AG_ERROR_SHAPE, "add");
    refused(no_value, &x, 1, NULL, AG_ERROR_FAILED, "no value");
    refused(in_f32, &x, 1, NULL, AG_ERROR_DTYPE, "f32");
    x.constant = true;
    refused(use_sine, &x, 1, NULL, AG_ERROR_VALUE, "no input is differentiable");
    x = (ag_gradcheck_input){.dtype = AG_F32, .rank = 1, .dim = {3}, .values = some};
    refused(use_sine, &x, 1, NULL, AG_ERROR_DTYPE, "input 0");
    x = (ag_gradcheck_input){.dtype = AG_F64, .rank = 1, .dim = {-3}, .values = some};
    refused(use_sine, &x, 1, NULL, AG_ERROR_SHAPE, "shape");
    x = (ag_gradcheck_input){.dtype = AG_F64, .rank = 1, .dim = {3}};
    refused(use_sine, &x, 1, NULL, AG_ERROR_VALUE, "values are missing");
    x = (ag_gradcheck_input){.dtype = AG_F64, .rank = 1, .dim = {3}, .values = some, .scalar = true};
    refused(use_sine, &x, 1, NULL, AG_ERROR_VALUE, "scalar");
    ag_gradcheck_report r;
    ck_assert_int_eq(ag_gradcheck_op(&polar, NULL, NULL, 0, NULL, &r), AG_ERROR_VALUE);
    require_text(&r, WORDS("test_polar", "probe"));
    ck_assert_int_eq(ag_gradcheck_op(NULL, NULL, NULL, 0, NULL, &r), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_gradcheck(use_sine, NULL, &three, 1, NULL, NULL), AG_OK);
}
END_TEST

START_TEST(all_outputs_of_an_operation_are_checked) {
    ag_gradcheck_report r;
    const ag_gradcheck_input in[] = {three, {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = some + 3}};
    ck_assert_int_eq(ag_gradcheck_op(&polar, NULL, in, 2, NULL, &r), AG_OK);
    require_verdict(&r, AG_GRADCHECK_PASSED);
}
END_TEST

START_TEST(every_allocation_of_a_check_may_fail) {
    counting_allocator_install();
    ck_assert_ptr_nonnull(ag_op_find("add"));
    for (int wrong = 0; wrong < 2; wrong++) {
        fault = wrong ? SECOND_ORDER : RIGHT;
        const ag_gradcheck_input in[] = {three, {.dtype = AG_F64, .values = some, .scalar = true}};
        const long live = counting_allocator_live();
        bool done = false;
        for (long k = 1; !done; k++) {
            ag_gradcheck_report r, p;
            counting_allocator_fail_at(k);
            ag_status status = ag_gradcheck(composite, NULL, in, 2, NULL, &r);
            done = counting_allocator_calls() < k;
            counting_allocator_fail_at(0);
            ck_assert_msg(status == (done ? AG_OK : AG_ERROR_MEMORY), "allocation %ld: %s", k, text_of(&r));
            require_verdict(&r, !done ? AG_GRADCHECK_NOT_RUN : wrong ? AG_GRADCHECK_WRONG : AG_GRADCHECK_PASSED);
            counting_allocator_fail_at(k);
            status = ag_gradcheck_op(&sine, NULL, NULL, 0, NULL, &p);
            ck_assert(status == AG_OK || status == AG_ERROR_MEMORY);
            counting_allocator_fail_at(0);
            ck_assert_int_eq(counting_allocator_live(), live);
        }
    }
}
END_TEST

START_TEST(the_text_follows_the_rule_of_snprintf) {
    const ag_gradcheck_report r = check_sine(SIGN);
    char whole[8192], part[8192];
    const size_t length = ag_gradcheck_text(&r, whole, sizeof whole);
    ck_assert_uint_eq(length, strlen(whole));
    ck_assert_uint_eq(ag_gradcheck_text(&r, NULL, 0), length);
    for (size_t size = 1; size <= length + 1; size++) {
        memset(part, '#', sizeof part);
        ck_assert_uint_eq(ag_gradcheck_text(&r, part, size), length);
        ck_assert_uint_eq(strlen(part), size - 1);
        ck_assert_int_eq(memcmp(part, whole, size - 1), 0);
        ck_assert_int_eq(part[size], '#');
    }
}
END_TEST

static int operations(void) {
    int n = 0;
    while (ag_op_at((uint32_t)n)) n++;
    return n;
}

Suite *gradcheck_suite(void) {
    Suite *s = suite_create("gradcheck");
    TCase *c = tcase_create("gradcheck");
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    tcase_add_test(c, a_right_function_of_every_kind_of_input_passes);
    tcase_add_test(c, large_inputs_are_checked_along_directions_and_a_failure_names_its_element);
    tcase_add_test(c, one_step_size_need_not_suit_every_function);
    tcase_add_test(c, random_operations_replay_and_hidden_state_is_noticed);
    tcase_add_loop_test(c, every_registered_operation_passes_by_its_probe, 0, operations());
    tcase_add_test(c, a_flipped_sign_a_factor_and_a_missing_rule_are_called_by_name);
    tcase_add_test(c, a_fault_of_one_sweep_alone_is_found);
    tcase_add_test(c, a_sweep_inside_the_function_is_no_fault_of_an_operation);
    tcase_add_test(c, a_wrong_forward_rule_is_found_and_a_missing_one_is_said);
    tcase_add_test(c, a_fault_of_the_second_order_is_traced_to_the_derivative_that_has_it);
    tcase_add_test(c, the_probe_of_a_wrong_operation_finds_it);
    tcase_add_test(c, of_a_composite_function_the_first_wrong_operation_is_named);
    tcase_add_test(c, a_path_that_was_cut_is_told_from_a_wrong_rule);
    tcase_add_test(c, a_kink_is_told_from_a_bug);
    tcase_add_test(c, the_edge_of_the_domain_and_what_lies_outside_are_no_bugs);
    tcase_add_test(c, misuse_is_an_error_that_says_what);
    tcase_add_test(c, all_outputs_of_an_operation_are_checked);
    tcase_add_test(c, every_allocation_of_a_check_may_fail);
    tcase_add_test(c, the_text_follows_the_rule_of_snprintf);
    return s;
}
