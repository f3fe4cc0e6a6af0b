/* The whole engine, in reading order. */
#ifndef AUTOGRAD_AUTOGRAD_H
#define AUTOGRAD_AUTOGRAD_H

#include "base.h"      /* status, errors, memory       */
#include "shape.h"     /* dtypes, shapes, broadcasting */
#include "tensor.h"    /* arrays that outlive tapes    */
#include "random.h"    /* the generator                */
#include "tape.h"      /* recording                    */
#include "ops.h"       /* what can be recorded         */
#include "grad.h"      /* sweeps                       */
#include "higher.h"    /* Jacobians, Hessians           */
#include "op.h"        /* to write an operation        */
#include "gradcheck.h" /* ... and to trust it          */
#include "inspect.h"   /* looking at a graph           */
#include "export.h"    /* ... as text, DOT, JSON       */
#include "io/idx.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/write.h"

#endif
