/* 04_mlp: a small network, and a picture of what it has learnt.
 *
 * Two moons: points on two half circles that reach into each other, which no straight line can part. A network
 * 2-16-16-2 with ReLU learns a bent boundary. Here `nn` does what 02_tensor did by hand: layers that own their
 * parameters, a loss, an optimiser. The step is the same: mark, build, backward, step, rewind.
 *
 *     04_mlp                      the boundary in letters
 *     04_mlp --plot moons.png     ... and as a picture (.png or .svg)
 *     04_mlp --dot loss.dot       ... and the graph of the loss, for Graphviz; layers are boxes in it
 *
 * Next: 06_hessian; or, in larger, train_digits. */
#include <nn/nn.h>

#include "support/boundary_picture.h"
#include "support/options.h"
#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 200, STEPS = 400 };

typedef struct moons {
    nn_dataset data; /* x (SAMPLES, 2), y (SAMPLES) */
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    ag_tape *tape;
} moons;

static ag_status prepare(moons *m, ag_error *error) {
    const int64_t sizes[] = {2, 16, 16, 2};
    ag_status status = nn_dataset_moons(SAMPLES, 0.12, 1, &m->data, error);
    if (status != AG_OK) return status;
    if (!(m->net = nn_mlp(sizes, 4, NN_RELU, NULL, error))) return error->status;
    if (!(m->params = nn_params_new(m->net, AG_F32, 1, error))) return error->status;
    if (!(m->optim = nn_adam(m->params, 0.01, error))) return error->status;
    if (!(m->tape = ag_tape_new(NULL))) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    return AG_OK;
}

/* One step on all samples at once. */
static ag_status train_step(moons *m, double *loss, ag_error *error) {
    const ag_mark start = ag_tape_mark(m->tape);
    nn_pass pass = {m->tape, true};
    nn_optim_zero_grad(m->optim);
    const ag_value logits = nn_forward(m->net, &pass, ag_constant(m->tape, m->data.x)); /* (SAMPLES, 2) */
    const ag_value objective = nn_cross_entropy(logits, ag_constant(m->tape, m->data.y));
    ag_status status = ag_backward(objective);
    if (status == AG_OK) status = nn_optim_step(m->optim, error);
    *loss = ag_item(objective);
    const ag_status recorded = ag_tape_rewind(m->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(m->tape));
}

/* The graph of one step, the layers' scopes as clusters. */
static ag_status draw_graph(moons *m, const char *path, ag_error *error) {
    const ag_mark start = ag_tape_mark(m->tape);
    nn_pass pass = {m->tape, true};
    const ag_value logits = nn_forward(m->net, &pass, ag_constant(m->tape, m->data.x));
    const ag_value loss = nn_cross_entropy(logits, ag_constant(m->tape, m->data.y));
    ag_inspection *seen = ag_inspect(ag_label(loss, "loss"), NULL, error);
    ag_status status = seen ? ag_export_file(seen, ag_export_dot, path, error) : error->status;
    ag_inspection_free(seen);
    const ag_status recorded = ag_tape_rewind(m->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(m->tape));
}

static ag_status measure(moons *m, nn_confusion *c, ag_error *error) {
    const ag_mark start = ag_tape_mark(m->tape);
    nn_pass pass = {m->tape, false};
    ag_no_grad_begin(m->tape);
    const ag_value logits = nn_forward(m->net, &pass, ag_constant(m->tape, m->data.x));
    ag_no_grad_end(m->tape);
    const ag_status status = nn_confusion_add(c, logits, m->data.y, error);
    const ag_status recorded = ag_tape_rewind(m->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(m->tape));
}

/* What the network believes, one row of the plane at a time: each is a batch (columns, 2). */
static ag_status look_at_plane(moons *m, plane *p, ag_error *error) {
    const int64_t dim[] = {p->columns, 2};
    ag_tensor *points = ag_tensor_new(AG_F32, 2, dim, error);
    ag_status status = points ? AG_OK : error->status;
    for (int row = 0; row < p->rows && status == AG_OK; row++) {
        float *at = ag_tensor_write(points);
        for (int c = 0; c < p->columns; c++) {
            at[2 * c] = (float)plane_x(p, c);
            at[2 * c + 1] = (float)plane_y(p, row);
        }
        const ag_mark start = ag_tape_mark(m->tape);
        nn_pass pass = {m->tape, false};
        ag_no_grad_begin(m->tape);
        const ag_value belief = ag_softmax(nn_forward(m->net, &pass, ag_constant(m->tape, points)), 1);
        ag_read_f64(ag_select(belief, 1, 1), p->belief + row * p->columns, p->columns); /* of class 1 */
        ag_no_grad_end(m->tape);
        status = ag_tape_rewind(m->tape, start);
        if (status != AG_OK) ag_fail(error, status, "%s", ag_tape_message(m->tape));
    }
    ag_tensor_free(points);
    return status;
}

/* The boundary in letters, or as a picture when `path` is given. */
static ag_status show(moons *m, const char *path, ag_error *error) {
    plane p;
    ag_status status = plane_init(&p, -1.6, 2.6, -1.1, 1.6, path ? 240 : 76, path ? 154 : 24, error);
    if (status == AG_OK) status = look_at_plane(m, &p, error);
    if (status == AG_OK)
        status = path ? plane_draw(path, &p, &m->data, error) : plane_print(stdout, &p, &m->data, error);
    plane_clear(&p);
    return status;
}

int main(int argc, char **argv) {
    const char *path = NULL, *graph = NULL;
    int exit_status;
    const option_row rows[] = {
        {"plot", "FILE", "draw the boundary: FILE.png or FILE.svg", OPTION_PICTURE, &path, 0, 0},
        {"dot", "FILE", "write the graph of the loss, for Graphviz", OPTION_FILE, &graph, 0, 0},
    };
    const option_table table = {.program = "04_mlp",
                                .shows = "A small network learns to part two moons.\n",
                                .ends = "\nExit status: 0; 1 when something failed; 2 for a wrong option.\n",
                                .row = rows,
                                .n = 2};
    if (!options_read(&table, argc, argv, NULL, &exit_status)) return exit_status;
    moons m = {0};
    ag_error error = {0};
    nn_confusion confusion = {0};
    ag_status status = prepare(&m, &error);
    for (int step = 0; step <= STEPS && status == AG_OK; step++) {
        double loss;
        status = train_step(&m, &loss, &error);
        if (status == AG_OK && step % 100 == 0) printf("step %3d  loss %.4f\n", step, loss);
    }
    if (status == AG_OK) status = show(&m, NULL, &error);
    if (status == AG_OK && path) status = show(&m, path, &error);
    if (status == AG_OK && graph) status = draw_graph(&m, graph, &error);
    if (status == AG_OK) status = nn_confusion_init(&confusion, 2, &error);
    if (status == AG_OK) status = measure(&m, &confusion, &error);
    if (status == AG_OK) printf("accuracy %.3f\n", nn_confusion_accuracy(&confusion));

    if (status != AG_OK) fprintf(stderr, "04_mlp: %s\n", error.message);
    nn_confusion_clear(&confusion);
    ag_tape_free(m.tape);
    nn_optim_free(m.optim);
    nn_params_free(m.params);
    nn_module_free(m.net);
    nn_dataset_clear(&m.data);
    return output_end("04_mlp", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
