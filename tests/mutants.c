/* mutants: are the tests able to see a wrong derivative?
 *
 *     mutants DIR [--operation NAME] [--jobs N] [--quick] [--list] [--verbose]        DIR: the conformance cases
 *
 * Makes one mistake after the other in the derivative rules (support/mutant.h says which) and runs the tests on each until
 * one fails: first the registry's test of that operation alone, then the conformance cases in both dtypes, then the
 * suites that differentiate. A mutant that no test notices survives: it is printed, and a test may be missing. One that
 * can be seen to change nothing is printed as equivalent, and not counted. The last line is "N of M mutants killed
 * (P %)"; exit status 0: at least 95 %, 1: fewer, 2: the tests could not be run. A quarter of an hour on two cores;
 * --quick leaves out the suites, and gives a lower bound in a few minutes; --operation makes the mistakes of one row.
 *
 * The environment variable GRADUS_MUTANT, set to a name as --list prints it, tries that one alone and says what kills it.
 *
 * Every mutant is tried in a process of its own, and every suite in one below that; one for each test, too (CK_FORK=yes),
 * would cost more than the tests. What outlives its time counts as killed, as does what crashes; both are counted apart. */
#define _DEFAULT_SOURCE
#include <check.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/mutant.h"

enum { JOBS = 64, SECONDS = 240, ENOUGH = 95 };

/* ---- the tests ------------------------------------------------------------------------------------------------------- */

/* SUITES(X), from meson.build: X(name) for every suite. */
#define DECLARE(name) Suite *name##_suite(void);
DECLARE(registry)
SUITES(DECLARE)
#undef DECLARE
int conformance_main(int argc, char **argv); /* the main of conformance.c */

typedef enum verdict { SURVIVED, FAILED, CRASHED, TIMED_OUT, EQUIVALENT, BROKEN } verdict;

typedef struct result {
    verdict verdict;
    char by[200]; /* what killed it */
} result;

static const char *cases; /* DIR */
static bool quick;        /* leave out the suites: a lower bound, in a fraction of the time */

static void run_tests(Suite *suite, const char *name, result *out) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    if (srunner_ntests_failed(runner) > 0) {
        TestResult **failure = srunner_failures(runner);
        const char *message = tr_msg(failure[0]);
        out->verdict = FAILED;
        if (tr_rtype(failure[0]) == CK_ERROR) out->verdict = strstr(message, "timeout") ? TIMED_OUT : CRASHED;
        snprintf(out->by, sizeof out->by, "%s: %.*s", name, (int)strcspn(message, "\n"), message);
        free(failure);
    }
    srunner_free(runner);
}

/* In a process of its own: operations that one suite registers are none of the next one's business. */
static bool run_suite(Suite *(*suite)(void), const char *name, result *out) {
    int status = 0;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        run_tests(suite(), name, out);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (pid < 0 || status != 0) {
        out->verdict = pid < 0 ? BROKEN : CRASHED;
        snprintf(out->by, sizeof out->by, "%s: the process ended with status %#x", name, (unsigned)status);
    }
    return out->verdict == SURVIVED;
}

static bool run_conformance(const char *dtype, result *out) {
    char *arguments[] = {"conformance", (char *)cases, "--dtype", (char *)dtype, NULL};
    optind = 1;
    const int status = conformance_main(4, arguments);
    if (status == 0) return true;
    out->verdict = status == 1 ? FAILED : BROKEN;
    snprintf(out->by, sizeof out->by, "conformance, %s", dtype);
    return false;
}

static bool run_registry(const char *operation, result *out) {
    if (operation)
        setenv("GRADUS_OPERATION", operation, 1);
    else
        unsetenv("GRADUS_OPERATION");
    return run_suite(registry_suite, "registry", out);
}

/* Every test, until one fails. What is wrong in f32 alone shows nowhere sooner than in its cases. */
static void run_all(const char *operation, bool single, result *out) {
    if (single && !run_conformance("f32", out)) return;
    if (!run_registry(operation, out) || !run_conformance("f64", out)) return;
    if (!single && !run_conformance("f32", out)) return;
    if (quick) return;
#define RUN(name)                                                                                                 \
    if (!run_suite(name##_suite, #name, out)) return;
    SUITES(RUN)
#undef RUN
}

/* ---- one mutant ------------------------------------------------------------------------------------------------------- */

/* In a process of its own, as the head of a group that can be ended whole. NULL: nothing is wrong. */
static pid_t start(const mutant *m, const char *operation, result *out) {
    fflush(NULL);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    setpgid(0, 0);
    if (!freopen("/dev/null", "w", stdout)) _exit(2);
    mutant_choose(m);
    out->verdict = SURVIVED;
    run_all(operation, m && m->mode == MUTANT_F32, out);
    _exit(0);
}

static void finish(pid_t pid, int status, result *out) {
    (void)pid;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    /* conformance runs in this very process: what a mistake leads it to do counts */
    out->verdict = WIFSIGNALED(status) ? CRASHED : BROKEN;
    snprintf(out->by, sizeof out->by, "the process ended with status %#x", (unsigned)status);
}

static void run_here(const mutant *m, const char *operation, result *out) {
    int status = 0;
    out->verdict = BROKEN; /* until the process says otherwise */
    const pid_t pid = start(m, operation, out);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (pid > 0) finish(pid, status, out);
}

/* ---- many ----------------------------------------------------------------------------------------------------------------- */

typedef struct job {
    pid_t pid; /* 0: idle */
    size_t which;
    time_t began;
} job;

static void collect(job *j, result *results) {
    int status = 0;
    const pid_t pid = waitpid(j->pid, &status, WNOHANG);
    result *out = &results[j->which];
    if (pid == 0 && time(NULL) - j->began < SECONDS) return;
    if (pid == 0) {
        kill(-j->pid, SIGKILL);
        waitpid(j->pid, &status, 0);
        *out = (result){.verdict = TIMED_OUT, .by = "it took too long"};
    } else {
        finish(pid, status, out);
    }
    j->pid = 0;
}

static void run_many(const mutant *all, size_t n, int jobs, result *results) {
    job job_at[JOBS] = {{0}};
    size_t next = 0;
    for (int busy = 1; busy > 0 || next < n;) {
        busy = 0;
        for (int i = 0; i < jobs; i++) {
            job *j = &job_at[i];
            if (j->pid) collect(j, results);
            if (!j->pid && next < n && mutant_equivalent(&all[next])) {
                results[next].verdict = EQUIVALENT;
                next++;
            } else if (!j->pid && next < n) {
                *j = (job){.which = next, .began = time(NULL)};
                j->pid = start(&all[next], all[next].op->name, &results[next]);
                if (j->pid < 0) {
                    results[next].verdict = BROKEN;
                    j->pid = 0;
                }
                next++;
            }
            busy += j->pid != 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
}

static int report(const mutant *all, size_t n, const result *results, bool verbose) {
    static const char *const words[] = {"survived", "killed", "crashed", "out of time", "equivalent", "not tried"};
    size_t count[BROKEN + 1] = {0};
    char name[MUTANT_NAME];
    for (size_t i = 0; i < n; i++) {
        const result *r = &results[i];
        count[r->verdict]++;
        if (r->verdict == FAILED && !verbose) continue;
        printf("%s: %s", words[r->verdict], mutant_name(&all[i], name));
        const char *why = r->verdict == EQUIVALENT ? mutant_equivalent(&all[i]) : r->by;
        printf("%s%s\n", *why ? ": " : "", why);
    }
    const size_t killed = count[FAILED] + count[CRASHED] + count[TIMED_OUT], mutants = n - count[EQUIVALENT];
    printf("%zu by a failing test, %zu by a crash, %zu by a time limit; %zu more are equivalent\n", count[FAILED],
           count[CRASHED], count[TIMED_OUT], count[EQUIVALENT]);
    printf("%zu of %zu mutants killed (%.1f %%)\n", killed, mutants,
           mutants ? 100.0 * (double)killed / (double)mutants : 0);
    if (count[BROKEN] || mutants == 0) return 2;
    return killed * 100 >= mutants * ENOUGH ? 0 : 1;
}

/* ---- the program ------------------------------------------------------------------------------------------------------- */

/* One mutant by name. Watching its operation's own test is enough to know the place. */
static int try_one(const char *wanted, result *out) {
    char name[MUTANT_NAME], operation[64];
    size_t n = 0;
    if (sscanf(wanted, "%63[^:]", operation) != 1) operation[0] = '\0';
    const pid_t pid = fork();
    if (pid == 0) {
        run_registry(ag_op_find(operation) ? operation : NULL, out);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) < 0) return 2;
    const mutant *all = mutant_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(mutant_name(&all[i], name), wanted) != 0) continue;
        *out = (result){.verdict = BROKEN};
        run_here(&all[i], all[i].op->name, out);
        printf("%s: %s%s\n", name, out->verdict == SURVIVED ? "survived" : "killed by ", out->by);
        return out->verdict == SURVIVED ? 1 : out->verdict == BROKEN ? 2 : 0;
    }
    fprintf(stderr, "no mutant is called '%s'\n", wanted);
    return 2;
}

/* The mutants of one row, or all, in `to`, which has room for them. */
static size_t select_row(const char *row, const mutant *all, size_t n, mutant *to) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!row || strcmp(all[i].op->name, row) == 0) to[m++] = all[i];
    return m;
}

static int usage(const char *program) {
    fprintf(stderr, "usage: %s DIR [--operation NAME] [--jobs N] [--quick] [--list] [--verbose]\n", program);
    return 2;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"operation", required_argument, NULL, 'o'}, {"jobs", required_argument, NULL, 'j'},
        {"quick", no_argument, NULL, 'q'},           {"list", no_argument, NULL, 'l'},
        {"verbose", no_argument, NULL, 'v'},         {0}};
    const char *row = NULL;
    int jobs = 2;
    bool list = false, verbose = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'o')
            row = optarg;
        else if (o == 'j')
            jobs = atoi(optarg);
        else if (o == 'q')
            quick = true;
        else if (o == 'l')
            list = true;
        else if (o == 'v')
            verbose = true;
        else
            return usage(argv[0]);
    }
    if (optind != argc - 1 || jobs < 1 || jobs > JOBS) return usage(argv[0]);
    cases = argv[optind];
    setenv("CK_DEFAULT_TIMEOUT", "60", 1);
    setenv("CK_FORK", "no", 0);

    const size_t most = 1 << 15;
    result *results =
        mmap(NULL, most * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED || !mutant_watch()) return 2;
    const char *wanted = getenv("GRADUS_MUTANT");
    if (wanted) return try_one(wanted, &results[0]);

    run_here(NULL, NULL, &results[0]); /* what is watched, and the proof that the tests pass */
    if (results[0].verdict != SURVIVED) {
        fprintf(stderr, "without any mistake: %s\n", results[0].by);
        return 2;
    }
    size_t n = 0;
    char name[MUTANT_NAME];
    const mutant *every = mutant_all(&n);
    mutant *chosen = malloc(n * sizeof *chosen + 1);
    if (!chosen) return 2;
    n = select_row(row, every, n, chosen);
    for (size_t i = 0; list && i < n; i++) puts(mutant_name(&chosen[i], name));
    int status = 0;
    if (!list) {
        for (size_t i = 0; i < n; i++) results[i] = (result){.verdict = BROKEN};
        run_many(chosen, n, jobs, results);
        status = report(chosen, n, results, verbose);
    }
    free(chosen);
    return status;
}
