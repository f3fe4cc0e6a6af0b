/* special: log gamma and its derivatives.
 *
 * polygamma(n, x) for x > 0 is (-1)^(n+1) n! zeta(n + 1, x): terms of the series up to an argument where the
 * Euler-Maclaurin remainder falls below a bit. Negative arguments are reflected. Sources: Abramowitz and Stegun 1964,
 * 6.3 and 6.4; the remainder: 23.2.9 there. */
#define _GNU_SOURCE /* lgamma_r */
#include "special.h"

#include <math.h>

#define PI 3.141592653589793238

/* B_2k of Bernoulli. */
static const double bernoulli[] = {1.0 / 6,       -1.0 / 30, 1.0 / 42,      -1.0 / 30,     5.0 / 66,
                                   -691.0 / 2730, 7.0 / 6,   -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
enum { TERMS = sizeof bernoulli / sizeof bernoulli[0] };

double agx_lgamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

/* cot(pi x); exact argument reduction first, for pi x itself would lose the digits of a large x. */
static double cot_pi(double x) {
    x -= rint(x); /* [-1/2, 1/2] */
    return fabs(x) > 0.25 ? tan(PI * (copysign(0.5, x) - x)) : 1 / tan(PI * x);
}

static double digamma(double x) {
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0) return x == floor(x) ? NAN : digamma(1 - x) - PI * cot_pi(x);
    double sum = 0;
    for (; x < 10; x += 1) sum -= 1 / x;
    double tail = 0, square = 1 / (x * x);
    for (int k = TERMS; k > 0; k--) tail = (tail + bernoulli[k - 1] / (2 * k)) * square;
    return sum + log(x) - 0.5 / x - tail;
}

/* zeta(s, x) of Hurwitz times (s - 1)!, x > 0, s >= 2: the factor goes in early, where the parts underflow. */
static double zeta_factorial(int s, double x) {
    const double factorial = tgamma(s), far = 12 + 0.5 * s;
    double sum = 0;
    for (; x < far; x += 1) sum += factorial * pow(x, -s);
    double power = factorial * pow(x, -s);
    sum += power * x / (s - 1) + 0.5 * power;
    double rising = power * s / x; /* (s - 1)! s (s + 1) ... (s + 2k - 2) x^(-s - 2k + 1) */
    double even = 2;               /* (2k)! */
    for (int k = 1; k <= TERMS; k++) {
        sum += bernoulli[k - 1] / even * rising;
        rising *= (s + 2.0 * k - 1) / x * (s + 2.0 * k) / x;
        even *= (2.0 * k + 1) * (2.0 * k + 2);
    }
    return sum;
}

/* The n-th derivative of pi cot(pi x): pi^(n+1) times a polynomial in c = cot(pi x), whose derivative by x is
 * -(1 + c^2) pi. Its coefficients have one sign: nothing cancels. */
static double cot_derivative(int n, double x) {
    double a[AGX_POLYGAMMA_MOST + 3] = {0, 1};
    const double c = cot_pi(x);
    for (int k = 0; k < n; k++) { /* degree k + 1 becomes k + 2 */
        double next[AGX_POLYGAMMA_MOST + 3] = {0};
        for (int j = 1; j <= k + 1; j++) {
            next[j - 1] -= PI * j * a[j];
            next[j + 1] -= PI * j * a[j];
        }
        for (int j = 0; j <= k + 2; j++) a[j] = next[j];
    }
    double value = 0;
    for (int j = n + 1; j >= 0; j--) value = value * c + a[j];
    return PI * value;
}

double agx_polygamma(double order, double x) {
    if (!(order >= 0 && order <= AGX_POLYGAMMA_MOST) || order != floor(order) || isnan(x)) return NAN;
    const int n = (int)order;
    if (n == 0) return x == -INFINITY ? NAN : digamma(x);
    const double sign = n % 2 ? 1 : -1;
    if (x == INFINITY) return 0;
    if (x > 0) return sign * zeta_factorial(n + 1, x);
    if (x == -INFINITY) return NAN;
    if (x == floor(x)) return n % 2 ? INFINITY : x == 0 ? -INFINITY : NAN; /* a pole of even order, or of odd */
    return -zeta_factorial(n + 1, 1 - x) - cot_derivative(n, x);
}
