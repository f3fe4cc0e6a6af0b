/* char_lstm: a recurrent network learns a text, character by character, and writes one like it.
 *
 *     char_lstm                                       the beginning of "Pride and Prejudice", in about a minute
 *     char_lstm --text my.txt --save my.safetensors   any other text; later
 *     char_lstm --load my.safetensors --steps 0 --prompt "It was" --temperature 0.5
 *     char_lstm --checkpoint run.safetensors          killed at any moment, the same command goes on
 *
 * The network reads a character, changes its state, and says what the next one might be. The state is all that it
 * knows of what it has read; it is carried from one piece of the text to the next. Read main first, then
 * char_lstm_forward; what is not about this network is in support/char_run.h, and its training loop in
 * support/char_training.c. */
#include <nn/nn.h>

#include "support/char_run.h"

/* A layer of one's own: an nn_module comes first, then whatever it needs. */
typedef struct char_lstm {
    nn_module base;
    nn_module *embedding, *lstm, *dropout, *out;
    ag_value state[2]; /* h and c, (layers, B, width): behind the last character that was read */
} char_lstm;

/* x (B, T) characters by number; y (B, T, characters) logits. */
static ag_value char_lstm_forward(nn_module *m, nn_pass *pass, ag_value x) {
    char_lstm *n = (char_lstm *)m;
    ag_cell_state state = {n->state[0], n->state[1]};
    const ag_value vectors = nn_forward(n->embedding, pass, x);                        /* (B, T, width) */
    const ag_value h = nn_recurrent_run(n->lstm, pass, vectors, NULL, &state, &state); /* (B, T, width) */
    n->state[0] = state.h;
    n->state[1] = state.c;
    return nn_forward(n->out, pass, nn_forward(n->dropout, pass, h));
}

/* A vector for each character, the recurrent layers, and a score for each character. */
static char_lstm *char_lstm_new(const char_settings *s, int64_t characters, ag_error *error) {
    char_lstm *n = nn_module_new(sizeof *n, "char_lstm", char_lstm_forward, error);
    if (!n) return NULL;
    const nn_recurrent_options options = {.layers = (int)s->layers, .batch_first = true, .dropout = s->dropout};
    const struct {
        const char *name;
        nn_module **place, *child;
    } parts[] = {
        {"embedding", &n->embedding, nn_embedding(characters, s->width, AG_NO_PADDING, error)},
        {"lstm", &n->lstm, nn_lstm(s->width, s->width, &options, error)},
        {"dropout", &n->dropout, nn_dropout(s->dropout, error)},
        {"out", &n->out, nn_linear(s->width, characters, error)},
    };
    ag_status status = AG_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (status == AG_OK) status = nn_module_child(&n->base, parts[i].name, parts[i].child, error);
        if (status != AG_OK) nn_module_free(parts[i].child); /* nobody took it */
        *parts[i].place = parts[i].child;
    }
    return status == AG_OK ? n : nn_module_free_null(&n->base);
}

int main(int argc, char **argv) {
    char_run r = {.set = {.program = "char_lstm",
                          .shows = "Train an LSTM to foretell a text character by character, and let it write.\n",
                          .steps = 800,
                          .every = 50,
                          .batch = 16,
                          .context = 64,
                          .layers = 1,
                          .width = 192,
                          .lr = 6e-3,
                          .dropout = 0.1,
                          .length = 500,
                          .temperature = 0.6,
                          .seed = 1,
                          .threads = 1}};
    ag_error error = {0};
    int exit_status;
    if (!char_run_begin(&r, argc, argv, &exit_status)) return exit_status;
    char_lstm *net = char_lstm_new(&r.set, r.vocabulary.n, &error);
    if (net) {
        r.net = &net->base;
        r.state = net->state;
        r.states = 2;
    }
    ag_status status = char_run_prepare(&r, &error);
    if (status == AG_OK) status = char_run_train(&r, &error);
    if (status == AG_OK) status = char_run_finish(&r, &error);
    return char_run_end(&r, status, &error);
}
