/* ops_einsum: every equation against its definition, a loop over all values of all letters; and the ways to get one
 * wrong. */
#include "ops_support.h"

enum { MOST = 512, LETTERS = 128 };

typedef struct example {
    const char *equation,
        *out;          /* out: the letters of the result, in order; capitals Y, Z stand for axes of an ellipsis */
    const char *in[4]; /* the letters of each operand, axis by axis */
    int64_t dim[4][4];
} example;
static const example examples[] = {
    {"ij,jk->ik", "ik", {"ij", "jk"}, {{2, 3}, {3, 4}}},
    {"ij,jk", "ik", {"ij", "jk"}, {{2, 3}, {3, 4}}},
    {"kj,ji", "ik", {"kj", "ji"}, {{2, 3}, {3, 4}}},
    {" b i j , b j k -> k b i ", "kbi", {"bij", "bjk"}, {{2, 2, 3}, {2, 3, 4}}},
    {"ij->ji", "ji", {"ij"}, {{2, 3}}},
    {"ba", "ab", {"ba"}, {{2, 3}}},
    {"bA", "Ab", {"bA"}, {{2, 3}}},
    {"ij->", "", {"ij"}, {{2, 3}}},
    {"ii->i", "i", {"ii"}, {{3, 3}}},
    {"ii", "", {"ii"}, {{3, 3}}},
    {"iji->ji", "ji", {"iji"}, {{2, 3, 2}}},
    {"iiji->j", "j", {"iiji"}, {{2, 2, 3, 2}}},
    {"ii,jj->ij", "ij", {"ii", "jj"}, {{2, 2}, {3, 3}}},
    {"i,j->ij", "ij", {"i", "j"}, {{2}, {3}}},
    {"ij,ij->i", "i", {"ij", "ij"}, {{2, 3}, {2, 3}}},
    {"ij,ij->", "", {"ij", "ij"}, {{2, 3}, {2, 3}}},
    {"ij,jk->ik", "ik", {"ij", "jk"}, {{2, 1}, {3, 4}}},
    {"ij,ij->ij", "ij", {"ij", "ij"}, {{1, 3}, {2, 1}}},
    {"ab,bc,cd->ad", "ad", {"ab", "bc", "cd"}, {{2, 3}, {3, 2}, {2, 3}}},
    {"ab,ac,ad,a->bcd", "bcd", {"ab", "ac", "ad", "a"}, {{3, 2}, {3, 2}, {3, 1}, {3}}},
    {"b...i,oi->b...o", "bZo", {"bZi", "oi"}, {{2, 2, 3}, {2, 3}}},
    {"...ij,...jk->...ik", "YZik", {"YZij", "Zjk"}, {{2, 1, 2, 3}, {2, 3, 2}}},
    {"...i,...", "YZi", {"YZi", "Z"}, {{2, 1, 2}, {3}}},
    {"...ij->i", "i", {"Zij"}, {{2, 3, 2}}},
    {",i->i", "i", {"", "i"}, {{0}, {3}}},
    {"", "", {""}, {{0}}},
    {"ij,jk->ik", "ik", {"ij", "jk"}, {{2, 0}, {0, 2}}},
    {"ij,jk->ik", "ik", {"ij", "jk"}, {{0, 2}, {2, 3}}},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

static int operands(const example *e) {
    int n = 0;
    while (n < 4 && e->in[n]) n++;
    return n;
}

/* The element of an operand where the letters have the values `at`; axes of size 1 repeat. */
static double element(const char *letters, const int64_t *dim, const double *values, const int64_t *at) {
    int64_t index = 0;
    for (int k = 0; letters[k]; k++) index = index * dim[k] + (dim[k] == 1 ? 0 : at[(int)letters[k]]);
    return values[index];
}

static void define(const example *e, double values[][MOST], double *z) {
    int64_t size[LETTERS], at[LETTERS] = {0}, count = 1, total = 1;
    char letters[LETTERS];
    int n_letters = 0;
    for (int l = 0; l < LETTERS; l++) size[l] = -1;
    for (int i = 0; i < operands(e); i++)
        for (int k = 0; e->in[i][k]; k++) {
            const int l = e->in[i][k];
            if (size[l] < 0) letters[n_letters++] = (char)l;
            if (size[l] < 0 || size[l] == 1) size[l] = e->dim[i][k];
        }
    for (int k = 0; e->out[k]; k++) count *= size[(int)e->out[k]];
    for (int k = 0; k < n_letters; k++) total *= size[(int)letters[k]];
    for (int64_t i = 0; i < count; i++) z[i] = 0;
    for (int64_t step = 0; step < total; step++) {
        int64_t rest = step, to = 0;
        for (int k = 0; k < n_letters; k++) {
            at[(int)letters[k]] = rest % size[(int)letters[k]];
            rest /= size[(int)letters[k]];
        }
        double product = 1;
        for (int i = 0; i < operands(e); i++) product *= element(e->in[i], e->dim[i], values[i], at);
        for (int k = 0; e->out[k]; k++) to = to * size[(int)e->out[k]] + at[(int)e->out[k]];
        z[to] += product;
    }
}

static ag_value call(ag_tape *t, const ag_value *in, void *user) {
    (void)t;
    const example *e = user;
    return ag_einsum(e->equation, in, operands(e));
}

/* Values are whole and small: sums are exact. */
START_TEST(an_equation_is_a_sum_of_products_over_its_letters) {
    const example *e = &examples[_i];
    for (int strided = 0; strided < 2; strided++) {
        static double values[4][MOST], expected[MOST], got[MOST];
        check_input in[CHECK_INPUTS] = {{0}};
        ag_value x[4];
        ag_tape *t = ag_tape_new(NULL);
        ag_random r = {.seed = 3};
        for (int i = 0; i < operands(e); i++) {
            const int rank = (int)strlen(e->in[i]);
            int64_t n = 1;
            for (int k = 0; k < rank; k++) n *= e->dim[i][k];
            for (int64_t k = 0; k < n; k++) values[i][k] = (double)ag_random_below(&r, 9) - 4;
            x[i] = ag_array_leaf(t, AG_F64, rank, e->dim[i], values[i]);
            in[i] = (check_input){
                .dtype = AG_F64, .rank = rank, .values = values[i], .leaf = true, .transposed = strided};
            memcpy(in[i].dim, e->dim[i], sizeof e->dim[i]);
        }
        const ag_value z = ag_einsum(e->equation, x, operands(e));
        ck_assert_msg(ag_ok(z), "%s: %s", e->equation, ag_tape_message(t));
        const int64_t n = ag_meta_count(ag_meta_of(z));
        ck_assert_int_eq(ag_meta_of(z)->rank, (int)strlen(e->out));
        define(e, values, expected);
        ck_assert_int_eq(ag_read_f64(z, got, n), AG_OK);
        for (int64_t k = 0; k < n; k++)
            ck_assert_msg(got[k] == expected[k], "%s: element %d is %g, not %g", e->equation, (int)k, got[k],
                          expected[k]);
        check_gradients(e->equation, call, (void *)(uintptr_t)e, in, operands(e), 2);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(whole_numbers_stay_whole_and_floats_promote) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value i = ag_array_constant(t, AG_I64, 2, SHAPE(2, 2), LIST(1, 2, 3, 4));
    const ag_value f = ag_cast(i, AG_F32), d = ag_cast(i, AG_F64);
    const ag_value z = ag_einsum("ij,jk->ik", (const ag_value[]){i, i}, 2);
    ck_assert_int_eq(ag_meta_of(z)->dtype, AG_I64);
    EXPECT(z, 7, 10, 15, 22);
    ck_assert_int_eq(ag_meta_of(ag_einsum("ij,jk->ik", (const ag_value[]){i, f}, 2))->dtype, AG_F32);
    ck_assert_int_eq(ag_meta_of(ag_einsum("ij,jk->ik", (const ag_value[]){d, f}, 2))->dtype, AG_F64);
    ag_tape_free(t);
}
END_TEST

START_TEST(mistakes_show_the_equation_and_name_the_operand) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_full(t, AG_F64, 2, SHAPE(2, 3), 1), y = ag_full(t, AG_F64, 2, SHAPE(4, 5), 1);
    const ag_value many = ag_full(t, AG_F64, 5, SHAPE(1, 1, 1, 1, 1), 1);
    const ag_value both[2] = {x, y}, wide[2] = {many, many};
    EXPECT_ERROR(t, ag_einsum("ij,jk->ik", both, 2), AG_ERROR_SHAPE, "einsum", "'ij,jk->ik'", "operand 1",
                 "size 4", "'j'", "3", "(2, 3)", "(4, 5)");
    EXPECT_ERROR(t, ag_einsum("ii", both, 1), AG_ERROR_SHAPE, "einsum", "'ii'", "operand 0", "size 3", "(2, 3)");
    EXPECT_ERROR(t, ag_einsum("ijk", both, 1), AG_ERROR_SHAPE, "einsum", "operand 0", "2 axes", "3 letters");
    EXPECT_ERROR(t, ag_einsum("i", both, 1), AG_ERROR_SHAPE, "einsum", "operand 0", "2 axes", "1 letters");
    EXPECT_ERROR(t, ag_einsum("i...jk", both, 1), AG_ERROR_SHAPE, "einsum", "operand 0", "2 axes", "3 letters");
    EXPECT_ERROR(t, ag_einsum("...,...", both, 2), AG_ERROR_SHAPE, "einsum", "operand 1", "'...'");
    EXPECT_ERROR(t, ag_einsum("ij", both, 2), AG_ERROR_VALUE, "einsum", "fewer operands");
    EXPECT_ERROR(t, ag_einsum("ij,jk", both, 1), AG_ERROR_VALUE, "einsum", "more operands");
    EXPECT_ERROR(t, ag_einsum("ij->k", both, 1), AG_ERROR_VALUE, "einsum", "'k'", "no operand");
    EXPECT_ERROR(t, ag_einsum("ij->ii", both, 1), AG_ERROR_VALUE, "einsum", "'i'", "twice");
    EXPECT_ERROR(t, ag_einsum("ij->i->j", both, 1), AG_ERROR_VALUE, "einsum", "arrow");
    EXPECT_ERROR(t, ag_einsum("ij->i,j", both, 1), AG_ERROR_VALUE, "einsum", "comma");
    EXPECT_ERROR(t, ag_einsum("i1", both, 1), AG_ERROR_VALUE, "einsum", "operand 0", "letters");
    EXPECT_ERROR(t, ag_einsum("i-j", both, 1), AG_ERROR_VALUE, "einsum", "operand 0", "letters");
    EXPECT_ERROR(t, ag_einsum("i..j", both, 1), AG_ERROR_VALUE, "einsum", "operand 0", "letters");
    EXPECT_ERROR(t, ag_einsum("......ij", both, 1), AG_ERROR_VALUE, "einsum", "operand 0", "ellipsis");
    EXPECT_ERROR(t, ag_einsum("ij->......", both, 1), AG_ERROR_VALUE, "einsum", "output", "ellipsis");
    EXPECT_ERROR(t, ag_einsum("abcdefghijklmnopqrs", both, 1), AG_ERROR_SHAPE, "einsum", "too many letters");
    EXPECT_ERROR(t, ag_einsum("abcde,fghij", wide, 2), AG_ERROR_SHAPE, "einsum", "rank 10");
    EXPECT_ERROR(t, ag_einsum("abcde,fghij,abcdefghij->", (const ag_value[]){many, many, many}, 3), AG_ERROR_SHAPE,
                 "einsum", "operand 2");
    EXPECT_ERROR(t, ag_einsum("abcde,fghij,abcde,fghij->", (const ag_value[]){many, many, many, many}, 4),
                 AG_ERROR_SHAPE, "einsum", "intermediate", "rank 10");
    EXPECT_ERROR(t, ag_einsum(NULL, both, 1), AG_ERROR_VALUE, "einsum", "NULL");
    ck_assert(!ag_ok(ag_einsum("i", NULL, 0)));
    ag_tape_free(t);
}
END_TEST

Suite *ops_einsum_suite(void) {
    Suite *s = suite_create("ops_einsum");
    TCase *c = tcase_create("ops_einsum");
    tcase_add_loop_test(c, an_equation_is_a_sum_of_products_over_its_letters, 0, EXAMPLES);
    tcase_add_test(c, whole_numbers_stay_whole_and_floats_promote);
    tcase_add_test(c, mistakes_show_the_equation_and_name_the_operand);
    suite_add_tcase(s, c);
    return s;
}
