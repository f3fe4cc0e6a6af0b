/* train_metric: the accumulators of metric.h as metrics of the loop. */
#include "../train.h"

#include <string.h>

static void top_k_begin(void *user) {
    nn_top_k *t = user;
    t->hits = t->total = 0;
}
static ag_status top_k_add(void *user, ag_value y, const ag_tensor *target, ag_error *error) {
    return nn_top_k_add(user, y, target, error);
}
static double top_k_value(const void *user) { return nn_top_k_accuracy(user); }

nn_metric nn_metric_top_k(const char *name, nn_top_k *t) {
    return (nn_metric){name, top_k_begin, top_k_add, top_k_value, t};
}

static void confusion_begin(void *user) {
    nn_confusion *c = user;
    if (c->counts) memset(c->counts, 0, (size_t)(c->classes * c->classes) * sizeof *c->counts);
}
static ag_status confusion_add(void *user, ag_value y, const ag_tensor *target, ag_error *error) {
    return nn_confusion_add(user, y, target, error);
}
static double confusion_f1(const void *user) { return nn_confusion_macro_f1(user); }

nn_metric nn_metric_macro_f1(const char *name, nn_confusion *c) {
    return (nn_metric){name, confusion_begin, confusion_add, confusion_f1, c};
}

static void regression_begin(void *user) { *(nn_regression *)user = (nn_regression){.count = 0}; }
static ag_status regression_add(void *user, ag_value y, const ag_tensor *target, ag_error *error) {
    return nn_regression_add(user, y, target, error);
}
static double regression_mae(const void *user) { return nn_regression_mae(user); }
static double regression_r2(const void *user) { return nn_regression_r2(user); }

nn_metric nn_metric_mae(const char *name, nn_regression *r) {
    return (nn_metric){name, regression_begin, regression_add, regression_mae, r};
}
nn_metric nn_metric_r2(const char *name, nn_regression *r) {
    return (nn_metric){name, regression_begin, regression_add, regression_r2, r};
}
