/* api: how the functions of nn that programs call are marked. */
#ifndef NN_API_H
#define NN_API_H

#include <autograd/autograd.h>

#define NN_API AG_API

#endif
