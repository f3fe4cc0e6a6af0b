/* gradient: the library's own checker, as a claim of a test. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

void random_values(ag_random *r, double *values, int64_t n, double low, double high, uint32_t avoid) {
    for (int64_t i = 0; i < n; i++) {
        for (int tries = 0; tries < 1000; tries++) {
            double v = low + (high - low) * ag_random_uniform(r);
            bool good = !(avoid & AG_AVOID_ZERO) || fabs(v) > 0.1;
            for (int64_t j = i > 200 ? i - 200 : 0; j < i && good && avoid & AG_AVOID_TIES; j++) {
                good = fabs(v - values[j]) > 0.002;
            }
            values[i] = v;
            if (good) break;
        }
    }
}

typedef struct subject {
    check_function *f;
    void *user;
} subject;

static ag_value call(ag_tape *t, const ag_value *in, int n, void *user) {
    const subject *s = user;
    (void)n;
    return s->f(t, in, s->user);
}

void check_gradients(const char *what, check_function *f, void *user, const check_input *in, int n, int order) {
    ag_gradcheck_input input[CHECK_INPUTS];
    ck_assert_int_le(n, CHECK_INPUTS);
    for (int i = 0; i < n; i++) {
        input[i] = (ag_gradcheck_input){.dtype = in[i].dtype,
                                        .rank = in[i].rank,
                                        .values = in[i].values,
                                        .constant = !in[i].leaf,
                                        .scalar = in[i].scalar,
                                        .strided = in[i].transposed};
        memcpy(input[i].dim, in[i].dim, sizeof in[i].dim);
    }
    ag_gradcheck_report report;
    const ag_gradcheck_options options = {.name = what, .order = order, .mode = AG_GRADCHECK_ELEMENTS};
    ag_status status = ag_gradcheck(call, &(subject){f, user}, input, n, &options, &report);
    if (status == AG_OK && report.verdict == AG_GRADCHECK_PASSED && report.forward_ran) return;
    char text[4096];
    ag_gradcheck_text(&report, text, sizeof text);
    ck_abort_msg("%s: %s", what, text);
}
