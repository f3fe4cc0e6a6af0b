/* main: runs the one suite that a test executable is built for (-DSUITE=tape_suite). Every test is a process of
 * its own, unless CK_FORK=no. `--tap` reports in the Test Anything Protocol, one line a test, for meson. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

Suite *SUITE(void);

int main(int argc, char **argv) {
    bool tap = argc > 1 && strcmp(argv[1], "--tap") == 0;
    SRunner *runner = srunner_create(SUITE());
    if (tap) srunner_set_tap(runner, "-");
    srunner_run_all(runner, tap ? CK_SILENT : CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
