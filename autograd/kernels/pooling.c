/* pooling: windows of planes. See pooling.h.
 *
 * A plane is worked on by one thread, so that windows which overlap add in their order. Left out: how windows follow
 * from attributes (ops/pooling.c). */
#include "pooling.h"
#include "rows.h"

#include <string.h>

static int64_t divisor_of(const agx_pooling *p, const agx_span *rows, const agx_span *columns) {
    return p->divisor != 0 ? p->divisor : rows->weight * columns->weight;
}

#define NAME(x) x##_f32
#define T       float
#include "pooling_template.h"
#undef NAME
#undef T
#define NAME(x) x##_f64
#define T       double
#include "pooling_template.h"
#undef NAME
#undef T

typedef struct job {
    const agx_pooling *p;
    ag_dtype dtype;
    int64_t from_size, to_size; /* elements of a plane that is read, that is written */
    const void *from;
    void *to;
    int64_t *index; /* written by max, read by scatter and gather */
    const int64_t *positions;
} job;

static const char *source(const job *j, int64_t plane) {
    return (const char *)j->from + plane * j->from_size * (int64_t)ag_dtype_size(j->dtype);
}
static char *target(const job *j, int64_t plane) {
    return (char *)j->to + plane * j->to_size * (int64_t)ag_dtype_size(j->dtype);
}

#define FLOATS(pointer)        ((float *)(void *)(pointer))
#define DOUBLES(pointer)       ((double *)(void *)(pointer))
#define CONST_FLOATS(pointer)  ((const float *)(const void *)(pointer))
#define CONST_DOUBLES(pointer) ((const double *)(const void *)(pointer))

static void max_task(void *context, int64_t i, int thread) {
    const job *j = context;
    (void)thread;
    int64_t *index = j->index + i * j->to_size;
    if (j->dtype == AG_F32)
        max_plane_f32(j->p, CONST_FLOATS(source(j, i)), FLOATS(target(j, i)), index);
    else
        max_plane_f64(j->p, CONST_DOUBLES(source(j, i)), DOUBLES(target(j, i)), index);
}

static void average_task(void *context, int64_t i, int thread) {
    const job *j = context;
    (void)thread;
    if (j->dtype == AG_F32)
        average_plane_f32(j->p, CONST_FLOATS(source(j, i)), FLOATS(target(j, i)));
    else
        average_plane_f64(j->p, CONST_DOUBLES(source(j, i)), DOUBLES(target(j, i)));
}

static void average_grad_task(void *context, int64_t i, int thread) {
    const job *j = context;
    (void)thread;
    if (j->dtype == AG_F32)
        average_plane_grad_f32(j->p, CONST_FLOATS(source(j, i)), FLOATS(target(j, i)));
    else
        average_plane_grad_f64(j->p, CONST_DOUBLES(source(j, i)), DOUBLES(target(j, i)));
}

static void scatter_task(void *context, int64_t i, int thread) {
    const job *j = context;
    (void)thread;
    const int64_t *index = j->positions + i * j->from_size;
    if (j->dtype == AG_F32)
        scatter_plane_f32(j->from_size, j->to_size, CONST_FLOATS(source(j, i)), index, FLOATS(target(j, i)));
    else
        scatter_plane_f64(j->from_size, j->to_size, CONST_DOUBLES(source(j, i)), index, DOUBLES(target(j, i)));
}

static void gather_task(void *context, int64_t i, int thread) {
    const job *j = context;
    (void)thread;
    const int64_t *index = j->positions + i * j->to_size;
    if (j->dtype == AG_F32)
        gather_plane_f32(j->to_size, CONST_FLOATS(source(j, i)), index, FLOATS(target(j, i)));
    else
        gather_plane_f64(j->to_size, CONST_DOUBLES(source(j, i)), index, DOUBLES(target(j, i)));
}

static ag_status run(job *j, int64_t planes, agx_task *task, ag_workspace *work) {
    if (planes > 0) agx_tasks_run(planes, agx_threads_for(work, planes * (j->from_size + j->to_size)), task, j);
    return AG_OK;
}

static job windows_job(const agx_pooling *p, bool backwards, const void *from, void *to) {
    const int64_t in = p->in[0] * p->in[1], out = p->out[0] * p->out[1];
    return (job){.p = p,
                 .dtype = p->dtype,
                 .from_size = backwards ? out : in,
                 .to_size = backwards ? in : out,
                 .from = from,
                 .to = to};
}

ag_status agx_max_pool(const agx_pooling *p, const void *x, void *y, int64_t *index, ag_workspace *work) {
    job j = windows_job(p, false, x, y);
    j.index = index;
    return run(&j, p->planes, max_task, work);
}

ag_status agx_average_pool(const agx_pooling *p, const void *x, void *y, ag_workspace *work) {
    job j = windows_job(p, false, x, y);
    return run(&j, p->planes, average_task, work);
}

ag_status agx_average_pool_grad(const agx_pooling *p, const void *dy, void *dx, ag_workspace *work) {
    job j = windows_job(p, true, dy, dx);
    return run(&j, p->planes, average_grad_task, work);
}

static ag_status check(int64_t count, int64_t size, const int64_t *index, int64_t *bad) {
    for (*bad = 0; *bad < count; ++*bad)
        if (index[*bad] < 0 || index[*bad] >= size) return AG_ERROR_INDEX;
    return AG_OK;
}

ag_status agx_pool_scatter(ag_dtype dtype, int64_t planes, int64_t count, int64_t size, const void *dy,
                           const int64_t *index, void *dx, int64_t *bad, ag_workspace *work) {
    job j = {.dtype = dtype, .from_size = count, .to_size = size, .from = dy, .to = dx, .positions = index};
    const ag_status status = check(planes * count, size, index, bad);
    return status == AG_OK ? run(&j, planes, scatter_task, work) : status;
}

ag_status agx_pool_gather(ag_dtype dtype, int64_t planes, int64_t count, int64_t size, const void *dx,
                          const int64_t *index, void *dy, int64_t *bad, ag_workspace *work) {
    job j = {.dtype = dtype, .from_size = size, .to_size = count, .from = dx, .to = dy, .positions = index};
    const ag_status status = check(planes * count, size, index, bad);
    return status == AG_OK ? run(&j, planes, gather_task, work) : status;
}
