/* module_impl: walking a tree of modules, and entering one. Internal. */
#ifndef NNX_MODULE_IMPL_H
#define NNX_MODULE_IMPL_H

#include "module.h"

/** The module after m in the tree below root, parents before children, in order of declaration; NULL: m was the
 *  last. `for (m = root; m; m = nnx_module_after(root, m))` */
nn_module *nnx_module_after(const nn_module *root, nn_module *m);

/** A module's scope, for passes that take more than nn_forward gives: a root has none. */
void nnx_enter(const nn_module *m, nn_pass *pass);
/** Leave it with its result, which is returned; its shape goes where m->result says. */
ag_value nnx_leave(nn_module *m, nn_pass *pass, ag_value y);

#endif
