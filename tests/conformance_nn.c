/* conformance_nn: runs reference cases against the networks' library.
 *
 *     conformance_nn DIR
 *
 * In DIR: the trajectories of optim.json to 1e-10, the rates of schedules.json to 1e-12, and the cases of recurrent.json
 * through layers: values, and first gradients of the input and of every parameter; second ones are the operations', of
 * which layers are made (conformance). Form: tests/data/conformance/README.md. A failing case prints its name and its
 * worst element; the last line is "N passed, M failed". Exit status: 0 all passed, 1 some failed, 2 nothing could be
 * run. */
#include "conformance_nn.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

void tally_case(tally *sum, const char *name, bool good, const char *text) {
    if (good) {
        sum->passed++;
        return;
    }
    sum->failed++;
    printf("%s: %s\n", name, text);
}

/* How far apart, as a multiple of what is allowed. */
static double distance(double expected, double got, double absolute, double relative) {
    if (isnan(expected) || isnan(got)) return isnan(expected) && isnan(got) ? 0 : INFINITY;
    if (isinf(expected) || isinf(got)) return expected == got ? 0 : INFINITY;
    return fabs(expected - got) / (absolute + relative * fmax(fabs(expected), fabs(got)));
}

bool numbers_agree(const char *what, int64_t n, const double *expected, const double *got, double absolute,
                   double relative, char text[CASE_TEXT]) {
    int64_t worst = -1;
    double most = 1;
    for (int64_t i = 0; i < n; i++) {
        const double d = distance(expected[i], got[i], absolute, relative);
        if (!(d > most)) continue;
        most = d;
        worst = i;
    }
    if (worst < 0) return true;
    snprintf(text, CASE_TEXT, "%s, element %lld: expected %.17g, got %.17g", what, (long long)worst,
             expected[worst], got[worst]);
    return false;
}

static void run_file(const char *dir, const char *name, void (*run)(json_t *, const char *, tally *), tally *sum) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.json", dir, name) >= (int)sizeof path) path[0] = '\0';
    FILE *file = fopen(path, "rb");
    if (!file && errno == ENOENT) return;
    json_error_t error = {.text = "cannot be opened"};
    json_t *document = file ? json_loadf(file, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (file) fclose(file);
    sum->files++;
    if (document)
        run(document, path, sum);
    else
        tally_case(sum, path, false, error.text);
    json_decref(document);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 2;
    }
    tally sum = {0};
    run_file(argv[1], "optim", run_optim, &sum);
    run_file(argv[1], "schedules", run_schedules, &sum);
    run_file(argv[1], "recurrent", run_recurrent, &sum);
    printf("%ld passed, %ld failed\n", sum.passed, sum.failed);
    return sum.files == 0 ? 2 : sum.failed > 0;
}
