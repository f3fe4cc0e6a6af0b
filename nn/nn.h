/* The whole of nn, in reading order. It uses only what autograd/autograd.h makes public and contains no derivative of
 * its own. */
#ifndef NN_NN_H
#define NN_NN_H

/* ---- networks ---- */
#include "module.h"             /* a layer: a struct and one function                        */
#include "param.h"              /* parameters of all layers, in one slab; in files           */
#include "init.h"               /* their first values                                        */
#include "layers/layers.h"      /* linear, activations, dropout, embedding, sequential, MLPs */
#include "layers/conv.h"        /* convolutions                                              */
#include "layers/pooling.h"     /* the largest, or the mean, of windows                      */
#include "layers/norm.h"        /* normalisation of a batch, a layer, groups, ...            */
#include "layers/shape.h"       /* flatten, unflatten, enlarge                               */
#include "layers/recurrent.h"   /* RNN, GRU, LSTM                                            */
#include "layers/attention.h"   /* multi-head attention, masks, positions                    */
#include "layers/transformer.h" /* encoders and decoders                                     */
#include "summary.h"            /* a network at a glance: shapes, parameters, operations     */

/* ---- data ---- */
#include "data.h"    /* samples in memory: from arrays and files, or drawn    */
#include "csv.h"     /* tables of numbers                                     */
#include "images.h"  /* PGM and PPM files, folders of them                    */
#include "prepare.h" /* a dataset in parts, standardised; one-hot labels      */
#include "batch.h"   /* batches, shuffled, made ahead where that is wished    */
#include "source.h"  /* samples that are made when they are asked for         */
#include "augment.h" /* images shifted, turned, mirrored and noisy            */

/* ---- learning ---- */
#include "loss.h"       /* what is to become small                               */
#include "optim.h"      /* how weights follow its gradient                       */
#include "schedule.h"   /* at what rate                                          */
#include "clip.h"       /* gradients bounded; added up over several batches      */
#include "metric.h"     /* how well: accuracy, confusion, R2, ...                */
#include "train.h"      /* the usual loop in one call                            */
#include "history.h"    /* what it tells of each epoch, as a table and as curves */
#include "early.h"      /* early stopping, and the best weights                  */
#include "ema.h"        /* a running average of the weights                      */
#include "checkpoint.h" /* a run that stops and goes on                          */
#include "picture.h"    /* charts and images as PNG and SVG                      */

#endif
