/* conformance_nn: what the parts of that program share. */
#ifndef TESTS_CONFORMANCE_NN_H
#define TESTS_CONFORMANCE_NN_H

#include "cases.h"

#include <nn/nn.h>

/** Cases that agreed, cases that did not, files that were there. */
typedef struct tally {
    long passed, failed;
    int files;
} tally;

/** Count a case; a failed one is printed with the reason. */
void tally_case(tally *sum, const char *name, bool good, const char *text);

/** The first of n numbers that is further off than `absolute` + `relative` times the larger magnitude, by most; false,
 *  with both numbers in text. `what` names the array. */
bool numbers_agree(const char *what, int64_t n, const double *expected, const double *got, double absolute,
                   double relative, char text[CASE_TEXT]);

/* Each runs what its file holds. */
void run_recurrent(json_t *cases, const char *path, tally *sum);
void run_optim(json_t *document, const char *path, tally *sum);
void run_schedules(json_t *document, const char *path, tally *sum);

#endif
