/* graph: operations on the graph rather than on numbers. */
#ifndef AUTOGRAD_OPS_GRAPH_H
#define AUTOGRAD_OPS_GRAPH_H

#include "../tape.h"

AG_BEGIN_DECLS

/** x as a constant: the same numbers. A view.
 *  Gradient: none */
AG_API ag_value ag_detach(ag_value x);

AG_END_DECLS
#endif
