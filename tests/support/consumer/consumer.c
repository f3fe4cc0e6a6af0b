/* A ten-line user of the installed libraries: exits with 0 when d/da (a + b) b and a network's shape are right. */
#include <autograd/autograd.h>
#include <nn/nn.h>

int main(void) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value a = ag_scalar(t, 2.0), b = ag_scalar(t, 3.0), y = ag_mul(ag_add(a, b), b);
    bool right = ag_backward(y) == AG_OK && ag_item(y) == 15.0 && ag_item_grad(b) == 8.0;
    nn_module *m = nn_mlp((int64_t[]){2, 4, 1}, 3, NN_RELU, NULL, NULL);
    nn_params *p = nn_params_new(m, AG_F32, 1, NULL);
    right = right && p && nn_params_elements(p) == 17;
    nn_params_free(p);
    nn_module_free(m);
    ag_tape_free(t);
    return right ? 0 : 1;
}
