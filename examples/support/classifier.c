/* classifier: see classifier.h. */
#include "classifier.h"

ag_status classifier_init(classifier *c, nn_module *net, double rate, uint64_t seed, ag_error *error) {
    c->net = net;
    c->params = nn_params_new(net, AG_F32, seed, error);
    c->optim = c->params ? nn_sgd(c->params, rate, 0, error) : NULL;
    if (!c->optim) return error->status;
    c->tape = ag_tape_new(NULL);
    return c->tape ? AG_OK : ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
}

void classifier_clear(classifier *c) {
    ag_tape_free(c->tape);
    nn_optim_free(c->optim);
    nn_params_free(c->params);
    nn_module_free(c->net);
    *c = (classifier){0};
}

static ag_status rewind_to(classifier *c, ag_mark start, ag_status status, ag_error *error) {
    const ag_status recorded = ag_tape_rewind(c->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(c->tape));
}

ag_status classifier_step(classifier *c, const ag_tensor *x, const ag_tensor *y, double *loss, ag_error *error) {
    const ag_mark start = ag_tape_mark(c->tape);
    nn_pass pass = {c->tape, true};
    nn_optim_zero_grad(c->optim);
    const ag_value logits = nn_forward(c->net, &pass, ag_constant(c->tape, x)); /* (batch, classes) */
    const ag_value cost = nn_cross_entropy(logits, ag_constant(c->tape, y));
    ag_status status = ag_backward(cost);
    if (status == AG_OK) status = nn_optim_step(c->optim, error);
    if (loss) *loss = ag_item(cost);
    return rewind_to(c, start, status, error);
}

ag_status classifier_epoch(classifier *c, nn_batcher *b, int64_t epoch, ag_error *error) {
    ag_tensor *x, *y;
    ag_status status = AG_OK;
    nn_batcher_start(b, epoch);
    while (status == AG_OK && nn_batcher_next(b, &x, &y)) status = classifier_step(c, x, y, NULL, error);
    return status;
}

ag_status classifier_measure(classifier *c, const nn_dataset *d, classifier_score *score, ag_error *error) {
    const ag_mark start = ag_tape_mark(c->tape);
    nn_pass pass = {c->tape, false};
    ag_no_grad_begin(c->tape);
    const ag_value target = ag_constant(c->tape, d->y);
    const ag_value logits = nn_forward(c->net, &pass, ag_constant(c->tape, d->x)); /* (n, classes) */
    const ag_value right = ag_eq(ag_argmax(logits, 1, false), target);
    score->loss = ag_item(nn_cross_entropy(logits, target));
    score->accuracy = ag_item(ag_mean_all(ag_cast(right, AG_F64)));
    ag_no_grad_end(c->tape);
    return rewind_to(c, start, AG_OK, error);
}
