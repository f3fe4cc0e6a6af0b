/* bench: what one training step costs, beside a floor that no engine can go below.
 *
 *     OMP_NUM_THREADS=1 bench [--json] [--rounds N] [--time SECONDS] [--only TEXT]
 *
 * The steps are those of bench_moons.c (scalars), bench_mlp.c (matrices) and bench_networks.c (convolution, recurrence,
 * attention), always on one thread. Every figure is the median over rounds; in each round all steps and floors run once,
 * in shuffled order, each as often as fills --time. Not here: PyTorch's figures (run.sh adds them). */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

volatile double bench_sink;

void bench_fail(const char *what, const char *message) {
    fprintf(stderr, "bench: %s: %s\n", what, message);
    exit(EXIT_FAILURE);
}

void *bench_need(void *p, const char *what, const ag_error *error) {
    if (!p) bench_fail(what, error->message);
    return p;
}

ag_tape *bench_tape(void) {
    const ag_tape_options options = {.threads = 1};
    static const ag_error memory = {.message = "out of memory"};
    return bench_need(ag_tape_new(&options), "tape", &memory);
}

/* ---- measuring ------------------------------------------------------------------------------------------- */

enum { CASES = BENCH_MOONS + BENCH_MLPS + BENCH_NETWORKS, MEASURES = 2 * CASES, ROUNDS_MAX = 1000 };

static const bench_case *case_at(int i) {
    if (i < BENCH_MOONS) return &bench_moons[i];
    i -= BENCH_MOONS;
    return i < BENCH_MLPS ? &bench_mlps[i] : &bench_networks[i - BENCH_MLPS];
}

/* One thing to time: a case's step (even) or floor (odd). */
typedef struct measure {
    bench_work *run;
    void *state;
    int64_t repeat; /* runs per round */
    double *us;     /* (rounds) */
} measure;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static double time_us(const measure *m) {
    double began = now_us();
    for (int64_t i = 0; i < m->repeat; i++) m->run(m->state);
    return (now_us() - began) / (double)m->repeat;
}

/* How many runs fill `us` microseconds; this also warms caches and arenas. */
static void calibrate(measure *m, double us) {
    m->repeat = 1;
    time_us(m);
    for (;;) {
        double took = time_us(m) * (double)m->repeat;
        if (took >= 0.5 * us) return;
        m->repeat *= 2;
    }
}

static int ascending(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

static void report(const bench_case *c, double us, double floor_us, bool json) {
    if (json)
        printf("{\"name\": \"%s\", \"us\": %.4g, \"floor_us\": %.4g, \"floor\": \"%s\", \"ratio\": %.4g}\n",
               c->name, us, floor_us, c->floor_name, us / floor_us);
    else
        printf("%-38s %12.2f %12.2f %-8s %8.2f\n", c->name, us, floor_us, c->floor_name, us / floor_us);
}

static void usage(FILE *out) {
    fputs("usage: bench [--json] [--rounds N] [--time SECONDS] [--only TEXT]\n"
          "  --json          one JSON object a line instead of a table\n"
          "  --rounds N      measurements of everything, of which the median is shown (11)\n"
          "  --time SECONDS  how long one measurement repeats its step (0.02)\n"
          "  --only TEXT     the cases whose names contain TEXT\n",
          out);
}

typedef struct settings {
    bool json;
    int rounds;
    double seconds;
    const char *only;
} settings;

static settings parse(int argc, char **argv) {
    settings s = {.rounds = 11, .seconds = 0.02, .only = ""};
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},       {"rounds", required_argument, NULL, 'r'},
        {"time", required_argument, NULL, 't'}, {"only", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'j': s.json = true; break;
        case 'r': s.rounds = atoi(optarg); break;
        case 't': s.seconds = atof(optarg); break;
        case 'o': s.only = optarg; break;
        case 'h': usage(stdout); exit(EXIT_SUCCESS);
        default: usage(stderr); exit(EXIT_FAILURE);
        }
    }
    if (optind < argc || s.rounds < 1 || s.rounds > ROUNDS_MAX || !(s.seconds >= 0.0)) {
        usage(stderr);
        exit(EXIT_FAILURE);
    }
    return s;
}

int main(int argc, char **argv) {
    const settings s = parse(argc, argv);
    if (!getenv("OMP_NUM_THREADS"))
        fputs("bench: set OMP_NUM_THREADS=1 to hold everything to one thread\n", stderr);

    measure measures[MEASURES] = {{0}};
    const bench_case *chosen[CASES]; /* measures 2 i and 2 i + 1 belong to chosen[i] */
    int n = 0;
    for (int i = 0; i < CASES; i++) {
        const bench_case *c = case_at(i);
        if (!strstr(c->name, s.only)) continue;
        void *state = c->create();
        measures[2 * n] = (measure){.run = c->step, .state = state};
        measures[2 * n + 1] = (measure){.run = c->floor, .state = state};
        chosen[n++] = c;
    }
    const ag_error memory = {.message = "out of memory"};
    for (int i = 0; i < 2 * n; i++) {
        measures[i].us = bench_need(calloc((size_t)s.rounds, sizeof(double)), "bench", &memory);
        calibrate(&measures[i], 1e6 * s.seconds);
    }

    ag_random random = {.seed = 1};
    for (int round = 0; round < s.rounds; round++) {
        int64_t order[MEASURES];
        ag_random_permutation(&random, order, 2 * n);
        for (int i = 0; i < 2 * n; i++) measures[order[i]].us[round] = time_us(&measures[order[i]]);
    }

    if (!s.json) printf("%-38s %12s %12s %-8s %8s\n", "step", "us", "floor us", "floor", "ratio");
    for (int i = 0; i < n; i++) {
        const bench_case *c = chosen[i];
        report(c, median(measures[2 * i].us, s.rounds), median(measures[2 * i + 1].us, s.rounds), s.json);
        c->destroy(measures[2 * i].state);
        free(measures[2 * i].us);
        free(measures[2 * i + 1].us);
    }
    return EXIT_SUCCESS;
}
