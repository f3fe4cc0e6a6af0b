/* The whole of nn, in reading order. It uses only what autograd/autograd.h makes public and contains no
 * derivative of its own. */
#ifndef NN_NN_H
#define NN_NN_H

#include "module.h" /* layers: a struct and one function */
#include "param.h"  /* their parameters, in one slab     */
#include "init.h"   /* initial values                    */
#include "layers/layers.h"
#include "layers/conv.h"
#include "layers/pooling.h"
#include "layers/norm.h"
#include "layers/shape.h"
#include "layers/recurrent.h" /* RNN, GRU, LSTM */
#include "layers/attention.h" /* and positions   */
#include "layers/transformer.h"
#include "loss.h"
#include "optim.h"
#include "schedule.h"
#include "clip.h"
#include "ema.h"
#include "early.h"
#include "checkpoint.h"
#include "data.h"
#include "csv.h"
#include "images.h"
#include "source.h" /* samples made when they are asked for */
#include "batch.h"  /* batches of them, made ahead         */
#include "augment.h"
#include "prepare.h" /* parts of a dataset, standardised, one-hot */
#include "metric.h"
#include "history.h"
#include "picture.h" /* charts and images */
#include "train.h"
#include "summary.h"

#endif
