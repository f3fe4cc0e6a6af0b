/* progress: the bar of a terminal and the lines of a log.
 *
 *     epoch  3/20  45% [##########..............]  24/53  loss 0.1234  1:05 left
 *
 * A bar never wraps, since a line that does cannot be written over: on a narrow terminal it is shorter, then gone,
 * then its text is cut. It is wiped out by blanks, which every terminal understands.
 * Left out: colours, and anything that depends on the clock in lines that stay: logs of equal runs are equal. */
#define _DEFAULT_SOURCE 1 /* ioctl, fileno, clock_gettime */

#include "progress_impl.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24, LEAST_BAR = 4, USUAL_COLUMNS = 80 };
static const double PAUSE = 0.1; /* seconds between two bars */

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

static int digits(int64_t n) {
    int count = 1;
    while (n /= 10) count++;
    return count;
}

static int put_epoch(const nnx_progress *p, int64_t epoch, char *text) {
    return snprintf(text, NNX_LINE, "epoch %*lld/%lld", digits(p->is->epochs), (long long)epoch + 1,
                    (long long)p->is->epochs);
}

/* "1:05" or "2:00:05". */
static void put_time(double seconds, char *text, size_t size) {
    const long long s = seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s < 3600)
        (void)snprintf(text, size, "%lld:%02lld", s / 60, s % 60);
    else
        (void)snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* The time left counts what whole epochs do: validation, too. */
static double time_left(const nnx_progress *p, int64_t epoch, int64_t batch, double at) {
    const double done = (double)(epoch - p->is->first) + (double)batch / (double)p->batches;
    const double all = (double)(p->is->epochs - p->is->first);
    return (at - p->started) * (all - done) / done;
}

/* Fewer than `columns` letters, since some terminals begin a new line after the last. */
static void bar_text(const nnx_progress *p, int64_t epoch, int64_t batch, double loss, double at, int columns,
                     char *text) {
    char left[32], tail[128], bar[BAR + 4] = "";
    put_time(time_left(p, epoch, batch, at), left, sizeof left);
    const int tail_length = snprintf(tail, sizeof tail, "  %*lld/%lld  loss %.4g  %s left", digits(p->batches),
                                     (long long)batch, (long long)p->batches, loss, left);
    int n = put_epoch(p, epoch, text);
    n += snprintf(text + n, NNX_LINE - (size_t)n, " %3d%%", (int)(100 * batch / p->batches));
    int room = columns - 1 - n - tail_length - 3;
    if (room > BAR) room = BAR;
    if (room >= LEAST_BAR) {
        const int full = (int)(room * batch / p->batches);
        bar[0] = ' ';
        bar[1] = '[';
        for (int i = 0; i < room; i++) bar[2 + i] = i < full ? '#' : '.';
        bar[2 + room] = ']';
        bar[3 + room] = '\0';
    }
    (void)snprintf(text + n, NNX_LINE - (size_t)n, "%s%s", bar, tail);
    if (columns > 0 && columns <= NNX_LINE) text[columns - 1] = '\0';
}

static void append(char *text, const char *before, const char *name, double x) {
    const size_t at = strlen(text);
    (void)snprintf(text + at, NNX_LINE - at, ", %s%s %.6g", before, name, x);
}

static void epoch_text(const nnx_progress *p, const nn_epoch *e, char *text) {
    const nn_fit_options *o = p->is;
    const int n = put_epoch(p, e->epoch, text);
    (void)snprintf(text + n, NNX_LINE - (size_t)n, ": loss %.6g", e->loss);
    for (size_t k = 0; k < o->metric_count; k++) append(text, "", o->metrics[k].name, e->metric[k]);
    if (p->validation) append(text, "validation ", "loss", e->validation_loss);
    for (size_t k = 0; p->validation && k < o->metric_count; k++)
        append(text, "validation ", o->metrics[k].name, e->validation_metric[k]);
    if (e->skipped) append(text, "batches ", "skipped", (double)e->skipped);
}

/* ---- where they go ---------------------------------------------------------------------------------------------- */

enum { TO_FILE, TO_CALLER };

/* Over what is on the line, and blanks over the rest of that. `ended`: the line stays. */
static void put(nnx_progress *p, int to, const char *text, bool ended) {
    const bool terminal = to == TO_FILE ? p->terminal : p->is->terminal;
    const int length = (int)strlen(text), blanks = p->open[to] > length ? p->open[to] - length : 0;
    char whole[2 * NNX_LINE + 4];
    (void)snprintf(whole, sizeof whole, "%s%s%*s%s", terminal ? "\r" : "", text, blanks, "", ended ? "\n" : "");
    p->open[to] = ended ? 0 : length;
    if (to == TO_CALLER) {
        p->is->print(p->is->print_user, whole);
    } else {
        (void)fputs(whole, p->is->progress);
        (void)fflush(p->is->progress);
    }
}

static int columns_of(FILE *f) {
    struct winsize size;
    return ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : USUAL_COLUMNS;
}

void nnx_progress_begin(nnx_progress *p, const nn_fit_options *is, int64_t batches, bool validation) {
    *p = (nnx_progress){.is = is, .batches = batches, .validation = validation, .started = now()};
    p->terminal = is->progress && isatty(fileno(is->progress));
}

void nnx_progress_batch(nnx_progress *p, int64_t epoch, int64_t batch, double loss) {
    char text[NNX_LINE];
    if (!p->terminal && !(p->is->print && p->is->terminal)) return;
    const double at = now();
    if (p->drawn > 0 && at - p->drawn < PAUSE) return;
    p->drawn = at;
    if (p->terminal) {
        bar_text(p, epoch, batch, loss, at, columns_of(p->is->progress), text);
        put(p, TO_FILE, text, false);
    }
    if (p->is->print && p->is->terminal) {
        bar_text(p, epoch, batch, loss, at, USUAL_COLUMNS, text);
        put(p, TO_CALLER, text, false);
    }
}

void nnx_progress_epoch(nnx_progress *p, const nn_epoch *e) {
    char text[NNX_LINE];
    epoch_text(p, e, text);
    if (p->is->progress) put(p, TO_FILE, text, true);
    if (p->is->print) put(p, TO_CALLER, text, true);
}

void nnx_progress_end(nnx_progress *p) {
    for (int to = TO_FILE; to <= TO_CALLER; to++) {
        if (p->open[to] == 0) continue;
        put(p, to, "", false); /* blanks */
        put(p, to, "", false); /* and back to the beginning */
    }
}
