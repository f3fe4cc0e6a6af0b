// The same in C++: the headers have their guards, the inline functions compile.
#include <autograd/autograd.h>
#include <nn/nn.h>

int main() {
    ag_tape *t = ag_tape_new(nullptr);
    ag_value a = ag_scalar(t, 2.0), b = ag_scalar(t, 3.0), y = ag_mul(ag_add(a, b), b);
    bool right = ag_backward(y) == AG_OK && ag_item(y) == 15.0 && ag_item_grad(b) == 8.0;
    const int64_t sizes[] = {2, 4, 1};
    nn_module *m = nn_mlp(sizes, 3, NN_RELU, nullptr, nullptr);
    nn_params *p = nn_params_new(m, AG_F32, 1, nullptr);
    right = right && p && nn_params_elements(p) == 17;
    nn_params_free(p);
    nn_module_free(m);
    ag_tape_free(t);
    return right ? 0 : 1;
}
