/* digits_model: the networks of train_digits, and their weights in files. */
#ifndef EXAMPLES_SUPPORT_DIGITS_MODEL_H
#define EXAMPLES_SUPPORT_DIGITS_MODEL_H

#include "digits_settings.h"

#include <nn/nn.h>

enum { CLASSES = 10 };

/** The network that the settings ask for. x (n, pixels) in [0, 1]; y (n, 10), logits. NULL on failure.
 *  Errors: AG_ERROR_SHAPE (a cnn, and the images are not square, or too small), AG_ERROR_MEMORY */
nn_module *digits_model_new(const settings *s, int64_t pixels, ag_error *error);
/** Print its layers. */
ag_status digits_model_print(nn_module *net, int64_t pixels, ag_error *error) AG_WARN_UNUSED;

/** Weights as safetensors, with the model's name beside them; and back, all or nothing: those of the other model are
 *  refused by name. */
ag_status digits_model_save(const settings *s, const nn_params *params, ag_error *error) AG_WARN_UNUSED;
ag_status digits_model_load(const settings *s, nn_params *params, ag_error *error) AG_WARN_UNUSED;

#endif
