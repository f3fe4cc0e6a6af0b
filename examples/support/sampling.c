/* sampling: see sampling.h. */
#include "sampling.h"

#include <math.h>

static int64_t likeliest(const float *logits, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || isnan(logits[best])) best = i;
    return best;
}

/* Up to a common factor: that of the likeliest is 1, and nothing overflows. */
static double probability(const float *logits, int64_t i, int64_t best, double temperature) {
    if (i == best) return 1;
    const double p = exp(((double)logits[i] - (double)logits[best]) / temperature);
    return isnan(p) ? 0 : p;
}

int64_t sample(const float *logits, int64_t n, double temperature, ag_random *random) {
    const int64_t best = likeliest(logits, n);
    if (temperature == 0) return best;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += probability(logits, i, best, temperature);
    double left = ag_random_uniform(random) * sum;
    for (int64_t i = 0; i < n; i++) {
        const double p = probability(logits, i, best, temperature);
        if (left < p) return i;
        left -= p;
    }
    return best; /* rounding has left something over */
}
