/* special: functions that neither libm nor libmvec has, a number at a time. */
#ifndef AGX_SPECIAL_H
#define AGX_SPECIAL_H

/** log |gamma(x)|, without the hidden global of lgamma. */
double agx_lgamma(double x);

/** The largest order of agx_polygamma: its factor n! is the last that a double holds. */
enum { AGX_POLYGAMMA_MOST = 170 };
/** The n-th derivative of digamma, which is the derivative of log gamma. NaN unless n is an integer in
 *  [0, AGX_POLYGAMMA_MOST]. */
double agx_polygamma(double n, double x);

#endif
