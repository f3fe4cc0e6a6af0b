/* gradcheck: is a gradient right? The tape's derivatives against central differences, with a report for a person.
 *
 *     ag_gradcheck_report report;
 *     const ag_gradcheck_input x = {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = (const double[]){-1, 0.5, 2}};
 *     if (ag_gradcheck(my_function, NULL, &x, 1, NULL, &report) != AG_OK || report.verdict != AG_GRADCHECK_PASSED) {
 *         char text[4096];
 *         ag_gradcheck_text(&report, text, sizeof text);
 *         fputs(text, stderr);
 *     }
 *
 * What is differentiated is sum(w * f(x)) with fixed random weights w, so that errors in two elements of a result do
 * not cancel; for the second order, the derivative of that along a fixed random direction. Everything is f64: in f32
 * differences have too few digits to judge by. */
#ifndef AUTOGRAD_GRADCHECK_H
#define AUTOGRAD_GRADCHECK_H

#include "tape.h"

AG_BEGIN_DECLS

/** Any function of values: records on t, returns one value of any shape. It is called many times and must do the
 *  same every time; the tape's generator is set back before each call. */
typedef ag_value ag_gradcheck_function(ag_tape *t, const ag_value *in, int n, void *user);

/** An input. f64 inputs are differentiated unless they are `constant`; those of other dtypes are constants. */
typedef struct ag_gradcheck_input {
    ag_dtype dtype;
    int rank;
    int64_t dim[AG_MAX_RANK];
    const double *values; /* row-major, in any dtype; only read                               */
    bool constant;
    bool scalar;  /* a scalar of the strip (f64, rank 0)                                      */
    bool strided; /* rank 2 and more: seen through a transposing view, so that it is not dense */
} ag_gradcheck_input;

typedef enum ag_gradcheck_mode {
    AG_GRADCHECK_AUTO,      /* elements up to AG_GRADCHECK_FEW of them, else directions        */
    AG_GRADCHECK_ELEMENTS,  /* every element of every differentiable input by itself           */
    AG_GRADCHECK_DIRECTIONS /* random unit directions; a failure is tried again by elements    */
} ag_gradcheck_mode;
enum { AG_GRADCHECK_FEW = 256, AG_GRADCHECK_STEPS = 4 };

/** Zero-initialise, then set what should differ from the default. */
typedef struct ag_gradcheck_options {
    const char *name; /* of the function, for the text; NULL: "the function"                   */
    int order;        /* 1, or 2: the first and the second; 0: 2                               */
    ag_gradcheck_mode mode;
    int directions;                     /* how many; 0: 8                                      */
    double tolerance, tolerance_second; /* relative to max(1, |a|, |n|); 0: 1e-6 and 1e-5      */
    uint64_t seed;                      /* of weights, directions, probe values and the tape   */
} ag_gradcheck_options;

typedef enum ag_gradcheck_verdict {
    AG_GRADCHECK_PASSED,
    AG_GRADCHECK_WRONG,      /* the derivative disagrees with the differences                          */
    AG_GRADCHECK_SWEEPS,     /* ag_grad agrees with them, ag_backward does not                         */
    AG_GRADCHECK_FORWARD,    /* ag_grad agrees with them, ag_jvp does not                              */
    AG_GRADCHECK_KINK,       /* no derivative at this point, and the tape's lies between both sides    */
    AG_GRADCHECK_CHANGING,   /* the function or its gradient differs when it is evaluated twice        */
    AG_GRADCHECK_NOT_FINITE, /* the function's value is not finite at this point                       */
    AG_GRADCHECK_NOT_RUN     /* it could not be checked: see `error`                                   */
} ag_gradcheck_verdict;

/** Where an element lies, and both derivatives by it. */
typedef struct ag_gradcheck_sample {
    int input; /* -1: none                                                                             */
    int rank;
    int64_t index[AG_MAX_RANK];
    double analytic; /* by ag_grad                                                                     */
    double backward; /* by ag_backward                                                                 */
    double numeric;  /* by central differences, where neighbouring steps agree best                    */
    double error;    /* |analytic - numeric| / max(1, |analytic|, |numeric|); SWEEPS: backward's, not numeric */
    double step[AG_GRADCHECK_STEPS], central[AG_GRADCHECK_STEPS]; /* the steps tried, and what they gave */
    double left, right; /* one-sided differences at the smallest step                                  */
    bool kink;          /* they disagree, and a smaller step does not mend it                          */
    bool jump;          /* they grow as the step shrinks: a jump, or a vertical tangent */
} ag_gradcheck_sample;

typedef struct ag_gradcheck_report {
    ag_gradcheck_verdict verdict;
    ag_error error;                /* NOT_RUN: why                                                             */
    char name[96];                 /* of what was checked                                                      */
    int order;                     /* the order that failed, or the highest one checked                        */
    ag_gradcheck_mode mode;        /* the mode that decided                                                   */
    int64_t compared, disagreeing; /* derivatives of that order                                        */
    double tolerance;
    bool deterministic, sweeps_agree;
    /* Forward mode, up to that order: <Jv, w> by ag_jvp and <v, J'w> by ag_grad, v and w random. An operation without a
     * derivative of the derivative has no forward mode; then there is nothing to compare. */
    bool forward_ran, forward_agrees;
    double tangent, cotangent; /* <Jv, w>; <v, J'w>                                                        */
    bool weighted;             /* the result has several elements: derivatives are those of sum(w * result) */
    ag_gradcheck_sample worst; /* also when it passed, in element mode                                 */
    /* Composite functions: the first operation whose own rule disagrees with differences of its own forward. */
    bool searched;
    uint32_t record;           /* its id on the tape of `order`; 0: none disagrees                           */
    char operation[64];        /* its name                                                                   */
    char place[160];           /* id, label, shape and scope                                                 */
    ag_gradcheck_sample local; /* input: the operand                                                   */
} ag_gradcheck_report;

/** Check a function. options NULL: defaults. Returns AG_OK when the check could be made; whether the gradient is
 *  right is report->verdict. Nothing is printed.
 *  Errors: AG_ERROR_VALUE (an option, no differentiable input, values missing), AG_ERROR_DTYPE (a differentiable f32
 *          input, a result in f32), AG_ERROR_SHAPE, AG_ERROR_MEMORY, and whatever the function does wrong on the
 *          tape; report->error says which */
AG_API ag_status ag_gradcheck(ag_gradcheck_function *f, void *user, const ag_gradcheck_input *in, int n,
                              const ag_gradcheck_options *options, ag_gradcheck_report *report);

/** Check an operation, registered or not. in NULL: by its probe, every case, dense and strided, all operands with a
 *  rule together; an elementwise row without cases is tried on shapes of the checker's own. It stops at the first
 *  case that does not pass, and the report's name says which. attrs NULL: the probe's, else the defaults. All
 *  floating outputs are checked at once. Operands without a rule are constants.
 *  Errors: as above; AG_ERROR_VALUE (neither inputs nor a probe) */
AG_API ag_status ag_gradcheck_op(const ag_op *op, const void *attrs, const ag_gradcheck_input *in, int n,
                                 const ag_gradcheck_options *options, ag_gradcheck_report *report);

/** The report as text of several lines, NUL-terminated and cut off when `size` is too small. Returns the length of
 *  the whole text, as snprintf does. */
AG_API size_t ag_gradcheck_text(const ag_gradcheck_report *report, char *text, size_t size);

AG_END_DECLS
#endif
