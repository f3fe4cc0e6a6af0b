/* init: initial values of parameters. Fans as in PyTorch: a weight (n_out, n_in, window...) has
 * fan_in = n_in * window and fan_out = n_out * window; for rank 1 both are its length, for rank 0 both are 1. */
#ifndef NN_INIT_H
#define NN_INIT_H

#include "api.h"

AG_BEGIN_DECLS

/** What is drawn, with the numbers a and b of an nn_init. */
typedef enum nn_init_kind {
    NN_INIT_CONSTANT,       /* a                                                             */
    NN_INIT_UNIFORM,        /* uniform in [a, b)                                             */
    NN_INIT_NORMAL,         /* mean a, standard deviation b                                  */
    NN_INIT_GAUSSIAN_FAN,   /* mean 0, standard deviation 1 / sqrt(fan_in + 1)               */
    NN_INIT_XAVIER_UNIFORM, /* +-a sqrt(6 / (fan_in + fan_out)).  Glorot and Bengio 2010     */
    NN_INIT_XAVIER_NORMAL,  /* sd a sqrt(2 / (fan_in + fan_out))                             */
    NN_INIT_HE_UNIFORM,     /* +-sqrt(3 a / fan_in), b not 0: fan_out. He and others 2015     */
    NN_INIT_HE_NORMAL,      /* sd sqrt(a / fan_in), b not 0: fan_out                         */
    NN_INIT_FAN_UNIFORM,    /* +-1 / sqrt(b) where b is the fan given (0: zeros): PyTorch's linear */
    NN_INIT_LECUN_UNIFORM,  /* +-sqrt(3 / fan_in).  LeCun, Bottou, Orr, Mueller 1998          */
    NN_INIT_LECUN_NORMAL,   /* sd sqrt(1 / fan_in)                                           */
    NN_INIT_TRUNCATED,      /* mean a, sd b before what lies beyond a +- 2 b is drawn again   */
    NN_INIT_EMBEDDING,      /* standard normal; row a, unless it is negative, is zero         */
    NN_INIT_ORTHOGONAL,     /* a times orthonormal rows or columns.  Saxe and others 2014     */
    NN_INIT_IDENTITY        /* a where row and column are the same, else 0                    */
} nn_init_kind;

/** An initialiser: plain data, made by one of the functions below and checked where it is used (nn_init_fill,
 *  nn_params_new). */
typedef struct nn_init {
    nn_init_kind kind;
    double a, b;
} nn_init;

/** Every element is `value`. */
NN_API nn_init nn_init_constant(double value);
/** Uniform in [low, high). */
NN_API nn_init nn_init_uniform(double low, double high);
/** Normal with this mean and standard deviation. */
NN_API nn_init nn_init_normal(double mean, double deviation);
/** The standard Gaussian, N(0, 1): nn_init_normal(0, 1). */
NN_API nn_init nn_init_standard_gaussian(void);
/** Normal with mean 0 and standard deviation 1 / sqrt(fan_in + 1): a neuron's n_in weights and its bias count. */
NN_API nn_init nn_init_gaussian(void); /* NN_INIT_GAUSSIAN_FAN */
/** Uniform in [-r, r), r = gain sqrt(6 / (fan_in + fan_out)).
 *  Source: Glorot and Bengio 2010; so for xavier_normal */
NN_API nn_init nn_init_xavier_uniform(double gain);
/** Normal with mean 0 and standard deviation gain sqrt(2 / (fan_in + fan_out)). */
NN_API nn_init nn_init_xavier_normal(double gain);
/** Uniform in [-r, r), r = sqrt(6 / fan_in).
 *  Source: He, Zhang, Ren, Sun 2015; so for he_normal */
NN_API nn_init nn_init_he_uniform(void);
/** Normal with mean 0 and standard deviation sqrt(2 / fan_in). */
NN_API nn_init nn_init_he_normal(void);
/** The same before a leaky ReLU with a slope below 0, sqrt(6 / ((1 + slope^2) fan)): 0 is a ReLU, 1 no function at all.
 *  fan_out true divides by fan_out: not the values but the gradients then keep their spread from layer to layer.
 *  PyTorch's kaiming_uniform_(weight, a = slope, mode).
 *  Source: He, Zhang, Ren, Sun 2015, section 2.2; so for he_normal_with */
NN_API nn_init nn_init_he_uniform_with(double slope, bool fan_out);
/** Deviation sqrt(2 / ((1 + slope^2) fan)). */
NN_API nn_init nn_init_he_normal_with(double slope, bool fan_out);
/** Uniform in [-r, r), r = 1 / sqrt(fan), with the fan given and not read from the shape: a layer's weight and
 *  bias share one, as in PyTorch's linear.
 *  Edges: fan 0 gives zeros */
NN_API nn_init nn_init_fan_uniform(int64_t fan);

/** Uniform in [-r, r), r = sqrt(3 / fan_in): variance 1 / fan_in.
 *  Source: LeCun, Bottou, Orr and Mueller 1998, "Efficient BackProp", section 4.6; so for lecun_normal */
NN_API nn_init nn_init_lecun_uniform(void);
/** Normal with mean 0 and standard deviation sqrt(1 / fan_in): for selu, and for tanh scaled as there. */
NN_API nn_init nn_init_lecun_normal(void);
/** Normal, but what lies more than two standard deviations from the mean is drawn again: no unit starts saturated. The
 *  deviation of what is left is 0.8796 of that given, and is not corrected.
 *  Source: Robert 1995, "Simulation of truncated normal variables" */
NN_API nn_init nn_init_truncated_normal(double mean, double deviation);
/** The standard Gaussian with one row of zeros, that of the padding.
 *  Edges: a row that the tensor has not, a negative one: none */
NN_API nn_init nn_init_embedding(int64_t padding_row);
/** gain Q, where Q has orthonormal rows, or columns where these are fewer: Q Q^T = 1 or Q^T Q = 1. Axes behind the
 *  first count as columns. Uniform among all such Q: Gram-Schmidt on normal numbers, with a positive diagonal.
 *  Errors: of the fill: AG_ERROR_SHAPE (rank below 2), AG_ERROR_MEMORY (as many f64 as elements are held meanwhile)
 *  Source: Saxe, McClelland and Ganguli 2014; Mezzadri 2007 (uniformity) */
NN_API nn_init nn_init_orthogonal(double gain);
/** 1 on the diagonal, else 0: a linear layer that starts as the identity.
 *  Errors: of the fill: AG_ERROR_SHAPE (rank other than 2) */
NN_API nn_init nn_init_identity(void);

/** Fill a tensor. Draws in f64 whatever the dtype, one draw an element (none for a constant, more where some are drawn
 *  again), so f32 and f64 networks start alike. A bound that an f32 rounds up to may be reached.
 *  Errors: AG_ERROR_DTYPE (not floating), AG_ERROR_VALUE (unknown kind, numbers not finite, b < a or b - a not finite
 *          for UNIFORM, a < 0 for HE_UNIFORM and HE_NORMAL, b < 0 for NORMAL, TRUNCATED and FAN_UNIFORM), and those
 *          of a kind. On error neither x nor the generator has changed. */
NN_API ag_status nn_init_fill(nn_init init, ag_tensor *x, ag_random *random, ag_error *error);

AG_END_DECLS
#endif
