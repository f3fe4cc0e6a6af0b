/* train_progress: what the loop prints - a line an epoch in a file, a bar on a terminal, of any width, and after a failure. */
#define _GNU_SOURCE 1 /* folder.h: mkdtemp, seteuid; posix_openpt, ptsname */
#include "train_support.h"

#include "support/folder.h"

#include <math.h>
#include <sys/ioctl.h>

START_TEST(a_log_has_a_line_for_each_epoch) {
    static char plain[8192];
    plain[0] = '\0';
    folder_make();
    bench b = bench_new();
    b.is.epochs = 2;
    b.is.validation = &b.validation;
    b.is.print = collect;
    b.is.print_user = plain;
    b.is.progress = fopen(in_folder("log"), "w");
    ck_assert_ptr_nonnull(b.is.progress);
    fits(&b);
    fclose(b.is.progress);
    ck_assert(file_holds(in_folder("log"), plain, strlen(plain))); /* a file is no terminal */
    char wanted[256];
    const nn_epoch *e = b.history.epoch;
    snprintf(wanted, sizeof wanted,
             "epoch 1/2: loss %.6g, validation loss %.6g\nepoch 2/2: loss %.6g, validation loss %.6g\n", e[0].loss,
             e[0].validation_loss, e[1].loss, e[1].validation_loss);
    ck_assert_str_eq(plain, wanted);
    bench_free(&b);
    folder_remove();
}
END_TEST

/* Long enough for the next batch's bar to be drawn. */
static bool rest(void *user, const nn_fit_state *now) {
    (void)user;
    if (now->batch == 3) usleep(150000);
    return true;
}

START_TEST(a_terminal_has_a_bar) {
    static char moving[8192];
    moving[0] = '\0';
    bench b = bench_new();
    b.is.first = 2;
    b.is.epochs = 12;
    b.is.print = collect;
    b.is.print_user = moving;
    b.is.terminal = true;
    b.is.after_batch = rest;
    fits(&b);
    ck_assert_int_eq(strncmp(moving, "\repoch  3/12  14% [###.....................]  1/7  loss 0.", 54), 0);
    const char *later = strstr(moving, "\repoch  3/12  57% [#############...........]  4/7  loss 0.");
    ck_assert_ptr_nonnull(later);
    const char *left = strstr(later, " left");
    ck_assert_ptr_nonnull(left);
    ck_assert_int_ge(atoi(left - 2), 1); /* 150 ms an epoch at least, and 9.4 of ten to come */
    ck_assert_ptr_nonnull(strstr(later, "\repoch  3/12: loss 0."));
    ck_assert_ptr_nonnull(strstr(later, "\repoch 12/12: loss 0."));
    int lines = 0;
    for (const char *at = moving; (at = strchr(at, '\n')); at++) lines++;
    ck_assert_int_eq(lines, 10);
    for (const char *at = moving; (at = strchr(at, '\r')); at++) /* no bar is as wide as a terminal */
        ck_assert_uint_lt(strcspn(at + 1, "\r\n"), 80);
    bench_free(&b);
}
END_TEST

/* What a terminal of that many columns is sent by a training run; *status is the run's. */
static size_t through_a_terminal(int columns, nn_fit_loss *loss, char *text, size_t room, ag_status *status) {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
    bench b = bench_new();
    b.is.progress = fopen(ptsname(master), "w");
    ck_assert_ptr_nonnull(b.is.progress);
    ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = (unsigned short)columns}),
                     0);
    b.is.epochs = 2;
    b.is.loss = loss;
    b.is.after_batch = rest;
    *status = fit(&b, NULL);
    ck_assert_int_ne(fcntl(master, F_SETFL, O_NONBLOCK), -1);
    size_t n = 0;
    for (ssize_t got; n + 1 < room && (got = read(master, text + n, room - 1 - n)) > 0;) n += (size_t)got;
    text[n] = '\0';
    fclose(b.is.progress);
    close(master);
    bench_free(&b);
    return n;
}

START_TEST(a_bar_fits_its_terminal) {
    static const int widths[] = {80, 60, 44, 20, 2};
    static char text[8192];
    ag_status status;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        ck_assert_uint_gt(through_a_terminal(widths[i], nn_cross_entropy, text, sizeof text, &status), 0);
        ck_assert_int_eq(status, AG_OK);
        const char *bar = strstr(text, "\repoch 1/2  57%");
        ck_assert_int_eq(bar != NULL, widths[i] > 16);
        if (bar) ck_assert_uint_lt(strcspn(bar + 1, "\r\n"), (size_t)widths[i]);
        ck_assert_int_eq(strstr(text, "[##") != NULL, widths[i] > 54);
        ck_assert_ptr_nonnull(strstr(text, "\repoch 2/2: loss 0."));
    }
}
END_TEST

static int batches_left;
static ag_value loss_that_breaks(ag_value y, ag_value target) {
    const ag_value loss = nn_cross_entropy(y, target);
    return batches_left-- > 0 ? loss : ag_mul(loss, ag_number(y, NAN));
}

START_TEST(a_run_that_fails_leaves_no_half_a_bar) {
    static char text[8192];
    ag_status status;
    batches_left = 2;
    const size_t n = through_a_terminal(80, loss_that_breaks, text, sizeof text, &status);
    ck_assert_int_eq(status, AG_ERROR_NONFINITE);
    ck_assert_ptr_nonnull(strstr(text, "1/7  loss"));
    ck_assert_int_eq(text[n - 1], '\r'); /* the bar, as many blanks over it, and back */
    size_t blanks = 0, bar = 0;
    while (text[n - 2 - blanks] == ' ') blanks++;
    ck_assert_int_eq(text[n - 2 - blanks], '\r');
    while (text[n - 3 - blanks - bar] != '\r') bar++;
    ck_assert_uint_eq(bar, blanks);
}
END_TEST

Suite *train_progress_suite(void);
Suite *train_progress_suite(void) {
    Suite *s = suite_create("train_progress");
    TCase *tc = tcase_create("train_progress");
    tcase_add_test(tc, a_log_has_a_line_for_each_epoch);
    tcase_add_test(tc, a_terminal_has_a_bar);
    tcase_add_test(tc, a_bar_fits_its_terminal);
    tcase_add_test(tc, a_run_that_fails_leaves_no_half_a_bar);
    suite_add_tcase(s, tc);
    return s;
}
