/* graphs: random graphs of scalars and tensors against central differences, and the same bits twice. */
#include "core_support.h"

/* A graph is drawn from a seed: the same seed gives the same graph for any values of its inputs. */
static ag_value random_graph(ag_tape *t, const ag_value *in, void *user) {
    ag_random r = {.seed = *(const uint64_t *)user};
    enum { MOST = 80 };
    ag_value v[MOST];
    int n = 4, operations = 5 + (int)ag_random_below(&r, 56);
    for (int i = 0; i < 4; i++) v[i] = in[i]; /* scalar, scalar, (3), (2, 3) */
    for (int k = 0; k < operations; k++) {
        ag_value a = v[ag_random_below(&r, (uint64_t)n)], b = v[ag_random_below(&r, (uint64_t)n)], z;
        if (ag_random_below(&r, 2)) a = v[n - 1];
        const ag_meta *ma = ag_meta_of(a), *mb = ag_meta_of(b);
        ck_assert_msg(ma && mb, "%s", ag_tape_message(t));
        switch (ag_random_below(&r, 24)) {
        case 0: z = ag_add(a, b); break;
        case 1: z = ag_sub(a, b); break;
        case 2: z = ag_tanh(ag_mul(a, b)); break;
        case 3: z = ag_div(a, ag_add_number(ag_square(b), 1)); break;
        case 4: z = ag_sin(a); break;
        case 5: z = ag_cos(a); break;
        case 6: z = ag_sigmoid(a); break;
        case 7: z = ag_log(ag_add_number(ag_square(a), 0.5)); break;
        case 8: z = ag_sqrt(ag_add_number(ag_square(a), 0.3)); break;
        case 9: z = ag_exp(ag_mul_number(ag_tanh(a), 0.5)); break;
        case 10: z = ag_neg(a); break;
        case 11: z = ag_mul_number(a, 0.7); break;
        case 12: z = ag_pow(ag_add_number(ag_sigmoid(a), 0.5), ag_tanh(b)); break;
        case 13: z = ag_mean_all(a); break;
        case 14: z = ma->rank ? ag_mean(a, (const int[]){0}, 1, false) : ag_add_number(a, 1); break;
        case 15:
            z = ma->rank ? ag_softmax(a, -1)
                         : ag_affine((const ag_value[]){a, b}, (const ag_value[]){b, in[0]}, 2, a);
            break;
        case 16:
            z = ma->rank ? ag_logsumexp(a, (const int[]){-1}, 1, true) : ag_pow_number(ag_sigmoid(a), 3);
            break;
        case 17: z = ma->rank == 2 ? ag_matmul(ag_transpose(a, 0, 1), ag_tanh(a)) : ag_tanh(ag_add(a, a)); break;
        case 18: z = ma->rank ? ag_select(a, 0, -1) : ag_expand(a, 2, (const int64_t[]){2, 3}); break;
        case 19: z = ma->rank ? ag_slice(a, -1, 0, 1, 1) : ag_unsqueeze(a, 0); break;
        case 20: z = ag_tanh(ag_stack((const ag_value[]){a, a}, 2, 0)); break;
        case 21: z = ag_sum_all(ag_mul(a, ag_number(a, 0.3))); break;
        case 22: z = ag_add(ag_detach(ag_number(a, 2)), a); break;
        default: z = ag_tanh(ag_sum_all(a)); break;
        }
        if (!ag_ok(z)) { /* shapes that do not broadcast: take another operation */
            ck_assert_int_eq(ag_tape_status(t), AG_ERROR_SHAPE);
            return z;
        }
        if (ag_meta_of(z)->rank > 3 || ag_meta_count(ag_meta_of(z)) > 40) z = ag_mean_all(z);
        v[n++] = z;
    }
    ag_value sum = ag_mean_all(v[n - 1]);
    for (int i = 4; i < n - 1; i += 3) sum = ag_add(sum, ag_mul_number(ag_tanh(ag_mean_all(v[i])), 0.1 * (i % 5)));
    return sum;
}

/* The graph must fit its shapes for check_gradients: find seeds that do. */
static bool buildable(uint64_t seed, const check_input *in) {
    ag_tape *t = tape_new();
    ag_value v[4];
    for (int i = 0; i < 4; i++)
        v[i] = in[i].scalar ? ag_scalar(t, in[i].values[0])
                            : ag_array_leaf(t, AG_F64, in[i].rank, in[i].dim, in[i].values);
    bool good = ag_ok(random_graph(t, v, &seed));
    ag_tape_free(t);
    return good;
}

enum { GRAPHS = 300, GRAPH_BATCHES = 6 };

START_TEST(random_graphs_agree_with_central_differences) {
    double values[4][6];
    ag_random r = {.seed = 1000 + (uint64_t)_i};
    uint64_t seed = (uint64_t)_i << 32;
    for (int done = 0; done < GRAPHS / GRAPH_BATCHES; seed++) {
        for (int i = 0; i < 4; i++) random_values(&r, values[i], 6, -1.5, 1.5, 0);
        const check_input in[4] = {{.dtype = AG_F64, .values = values[0], .leaf = true, .scalar = true},
                                   {.dtype = AG_F64, .values = values[1], .leaf = true, .scalar = true},
                                   {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = values[2], .leaf = true},
                                   {.dtype = AG_F64,
                                    .rank = 2,
                                    .dim = {2, 3},
                                    .values = values[3],
                                    .leaf = true,
                                    .transposed = seed & 1}};
        if (!buildable(seed, in)) continue;
        char name[60];
        snprintf(name, sizeof name, "random graph %llx", (unsigned long long)seed);
        check_gradients(name, random_graph, &seed, in, 4, done % 10 ? 1 : 2);
        done++;
    }
}
END_TEST

/* ---- the same bits --------------------------------------------------------------------------------------------------------------- */

static void one_run(double *out) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 4});
    ag_random r = {.seed = 77};
    double a[400], b[400];
    random_values(&r, a, 400, -1, 1, 0);
    random_values(&r, b, 400, -1, 1, 0);
    ag_value x = ag_array_leaf(t, AG_F32, 2, (const int64_t[]){20, 20}, a),
             w = ag_array_leaf(t, AG_F32, 2, (const int64_t[]){20, 20}, b);
    ag_value h = ag_dropout(ag_tanh(ag_matmul(x, w)), 0.3),
             y = ag_mean_all(ag_mul(ag_softmax(h, 1), ag_exp(ag_add(h, x))));
    sweep(y);
    ag_adjoint_f64(x, out, 400);
    ag_adjoint_f64(w, out + 400, 400);
    ag_tape_free(t);
}

START_TEST(gradients_have_the_same_bits_twice) {
    double a[800], b[800];
    one_run(a);
    one_run(b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

Suite *graphs_suite(void) {
    Suite *s = suite_create("graphs");
    TCase *c = tcase_create("graphs");
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, random_graphs_agree_with_central_differences, 0, GRAPH_BATCHES);
    tcase_add_test(c, gradients_have_the_same_bits_twice);
    return s;
}
