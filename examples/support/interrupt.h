/* interrupt: Ctrl-C as a request. A program that trains for long looks at it now and then, ends its loop, and saves and
 * reports what it has. */
#ifndef EXAMPLES_SUPPORT_INTERRUPT_H
#define EXAMPLES_SUPPORT_INTERRUPT_H

#include <signal.h>

enum { EXIT_INTERRUPTED = 130 }; /* what a shell says of a program that SIGINT has ended */

/** 1 after Ctrl-C. */
extern volatile sig_atomic_t interrupted;

/** From now on the first Ctrl-C is a request. A second one kills. */
void watch_for_interrupt(void);

#endif
