/* conformance_nn_schedules: learning rates by schedule. Names hold the parameters: "step_size7_gamma0.5". */
#include "conformance_nn.h"

#include <stdio.h>
#include <string.h>

/* After `text`, a number; *at moves behind it. False: it is not there, and *at stays. */
static bool take(const char **at, const char *text, double *x) {
    const size_t length = strlen(text);
    int used = 0;
    if (strncmp(*at, text, length) != 0 || sscanf(*at + length, "%lf%n", x, &used) != 1) return false;
    *at += length + (size_t)used;
    return true;
}

/* The schedule that a name describes; false: none. */
static bool schedule_of(const char *name, double base, nn_schedule *s) {
    double a, b, c, low = 0;
    const char *at = name;
    if (take(&at, "step_size", &a) && take(&at, "_gamma", &b)) {
        *s = nn_schedule_step(base, (int64_t)a, b);
    } else if (at = name, strncmp(at, "multistep", 9) == 0) {
        int64_t milestone[NN_SCHEDULE_MILESTONES], n = 0;
        at += 9;
        while (n < NN_SCHEDULE_MILESTONES && take(&at, "_", &a)) milestone[n++] = (int64_t)a;
        if (!take(&at, "_gamma", &b)) return false;
        *s = nn_schedule_multistep(base, milestone, n, b);
    } else if (take(&at, "exponential_", &a)) {
        *s = nn_schedule_exponential(base, a);
    } else if (take(&at, "cosine_T", &a)) {
        (void)take(&at, "_min", &low);
        *s = nn_schedule_cosine(base, (int64_t)a, low);
    } else if (take(&at, "linear_", &a) && take(&at, "_to_", &b) && take(&at, "_over_", &c)) {
        *s = nn_schedule_linear(base, a, b, (int64_t)c);
    } else if (at = name, take(&at, "onecycle_max", &a) && take(&at, "_total", &b)) {
        *s = nn_schedule_one_cycle(a, (int64_t)b);
    } else if (at = name, take(&at, "warm_restarts_T", &a) && take(&at, "_mult", &b)) {
        (void)take(&at, "_min", &low);
        *s = nn_schedule_warm_restarts(base, (int64_t)a, (int64_t)b, low);
    } else {
        return false;
    }
    return *at == '\0';
}

static bool run_schedule(const char *name, double base, const json_t *rates, char *text) {
    nn_schedule s;
    ag_error error = {AG_OK, ""};
    if (!schedule_of(name, base, &s) || !json_is_array(rates)) {
        snprintf(text, CASE_TEXT, "no schedule is called so, or it has no rates");
        return false;
    }
    if (nn_schedule_check(&s, &error)) {
        snprintf(text, CASE_TEXT, "%s", error.message);
        return false;
    }
    for (size_t t = 0; t < json_array_size(rates); t++) {
        double expected;
        char what[32];
        snprintf(what, sizeof what, "step %zu", t);
        const double got = nn_schedule_at(&s, (int64_t)t);
        if (!case_number(json_array_get(rates, t), &expected)) {
            snprintf(text, CASE_TEXT, "%s has no rate", what);
            return false;
        }
        if (!numbers_agree(what, 1, &expected, &got, 1e-12, 0, text)) return false;
    }
    return true;
}

void run_schedules(json_t *document, const char *path, tally *sum) {
    const json_t *base = json_object_get(document, "base_lr");
    json_t *values = json_object_get(document, "values");
    if (!json_is_number(base) || !json_is_object(values)) {
        tally_case(sum, path, false, "is not of the form");
        return;
    }
    const char *key;
    json_t *rates;
    json_object_foreach(values, key, rates) {
        char text[CASE_TEXT] = "", name[200];
        snprintf(name, sizeof name, "schedules/%s", key);
        tally_case(sum, name, run_schedule(key, json_number_value(base), rates, text), text);
    }
}
