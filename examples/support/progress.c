/* progress: see progress.h. */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(progress *p, bool wanted, int64_t epochs, int64_t samples) {
    *p = (progress){
        .unit = "epoch", .shown = wanted && isatty(STDERR_FILENO), .epochs = epochs, .samples = samples};
    p->started = seconds_now();
}

void progress_show(progress *p, int64_t epoch, int64_t done, double epoch_started, double loss) {
    if (!p->shown) return;
    const double now = seconds_now();
    if (now - p->drawn < 0.1) return;
    p->drawn = now;

    char bar[BAR_WIDTH + 1];
    const int full = (int)(BAR_WIDTH * done / p->samples);
    for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';

    /* The rate is this epoch's; the time left counts what whole epochs also do, such as testing. */
    const double part = (double)(epoch * p->samples + done) / (double)(p->epochs * p->samples);
    const long left = part > 0 ? (long)((now - p->started) * (1 - part) / part + 0.5) : 0;
    fprintf(stderr, "\r\033[K%s %2" PRId64 "/%" PRId64 " [%s]  loss %.4f  %.0f/s  %ld:%02ld left", p->unit,
            epoch + 1, p->epochs, bar, loss, (double)done / (now - epoch_started), left / 60, left % 60);
    fflush(stderr);
}

void progress_clear(const progress *p) {
    if (!p->shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
