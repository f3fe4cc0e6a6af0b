/* progress: a line on the terminal that says how far a training run is. It is drawn over itself on stderr, at most
 * ten times a second, and only where stderr is a terminal. */
#ifndef EXAMPLES_SUPPORT_PROGRESS_H
#define EXAMPLES_SUPPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** Seconds on a clock that is never set back. */
double seconds_now(void);

typedef struct progress {
    const char *unit;      /* what is counted: "epoch", unless set otherwise */
    bool shown;            /* on a terminal, and wanted                */
    int64_t epochs;        /* in all                                   */
    int64_t samples;       /* an epoch                                 */
    double started, drawn; /* times                                    */
} progress;

void progress_begin(progress *p, bool wanted, int64_t epochs, int64_t samples);
/** In epoch `epoch` (from 0), begun at `epoch_started`, `done` samples are done. */
void progress_show(progress *p, int64_t epoch, int64_t done, double epoch_started, double loss);
void progress_clear(const progress *p); /* before other output */

#endif
