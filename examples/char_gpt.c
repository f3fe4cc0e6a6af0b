/* char_gpt: a small decoder-only transformer learns a text, character by character, and writes one like it.
 *
 *     char_gpt                                       the beginning of "Pride and Prejudice", in about a minute
 *     char_gpt --text my.txt --save my.safetensors   any other text; later
 *     char_gpt --load my.safetensors --steps 0 --prompt "It was" --temperature 0.5
 *     char_gpt --checkpoint run.safetensors          killed at any moment, the same command goes on
 *
 * The network sees a window of the text at once. Causal attention lets each position look back at all before it, and
 * no further: so one pass answers for every position what comes next, and training takes as many lessons from it.
 * Read main first, then char_gpt_new; what is not about this network is in support/char_run.h, and its training loop
 * in support/char_training.c. */
#include <nn/nn.h>

#include "support/char_run.h"

/* Which character, and where it stands: two vectors, added. Then blocks in which positions look at each other
 * (attention) and each thinks for itself (the feed-forward part); and a score for each character.
 * x (B, T) characters by number, T at most the context; y (B, T, characters) logits. */
static nn_module *char_gpt_new(const char_settings *s, int64_t characters, ag_error *error) {
    const nn_init vectors = nn_init_normal(0, 0.2); /* GPT-2: 0.02; so small a network learns sooner like this */
    const nn_transformer_options block = {.features = s->width,
                                          .heads = s->heads,
                                          .hidden = 4 * s->width,
                                          .dropout = s->dropout,
                                          .gelu = true,
                                          .norm_first = true,
                                          .causal = true};
    nn_module *const layers[] = {
        nn_embedding_with(characters, s->width, AG_NO_PADDING, vectors, error), /* (B, T, width) */
        nn_learned_encoding(s->context, s->width, vectors, error),
        nn_dropout(s->dropout, error),
        nn_transformer_encoder((int)s->layers, true, &block, error), /* called so; causal, it is a decoder */
        nn_linear(s->width, characters, error),                      /* (B, T, characters) */
    };
    return nn_sequential(layers, sizeof layers / sizeof *layers, error);
}

int main(int argc, char **argv) {
    char_run r = {
        .set = {.program = "char_gpt",
                .shows = "Train a small GPT to foretell a text character by character, and let it write.\n",
                .steps = 800,
                .every = 50,
                .batch = 16,
                .context = 64,
                .layers = 2,
                .width = 128,
                .heads = 4,
                .lr = 3e-3,
                .dropout = 0,
                .length = 500,
                .temperature = 0.6,
                .seed = 1,
                .threads = 1}};
    ag_error error = {0};
    int exit_status;
    if (!char_run_begin(&r, argc, argv, &exit_status)) return exit_status;
    r.net = char_gpt_new(&r.set, r.vocabulary.n, &error);
    ag_status status = char_run_prepare(&r, &error);
    if (status == AG_OK) status = char_run_train(&r, &error);
    if (status == AG_OK) status = char_run_finish(&r, &error);
    return char_run_end(&r, status, &error);
}
