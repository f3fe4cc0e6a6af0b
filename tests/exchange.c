/* exchange: networks whose weights tests/exchange.py carries to PyTorch and back.
 *
 *     exchange save FOLDER    writes NAME.DTYPE.safetensors, the parameters, and NAME.DTYPE.values.safetensors, x and y
 *     exchange load FOLDER    reads both, and computes y again
 *
 * Exit status: 0 all well, 1 a difference above 1e-6 (f32) or 1e-12 (f64), or an error, 2 wrong usage. */
#include <nn/nn.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static nn_module *mlp(ag_error *error) { return nn_mlp((const int64_t[]){8, 16, 16, 4}, 4, NN_RELU, NULL, error); }
static nn_module *cnn(ag_error *error) {
    const nn_conv_options same = {.padding = {1, {1}}};
    nn_module *layers[] = {nn_conv2d(2, 6, 3, 3, &same, error), nn_batch_norm2d(6, NULL, error),
                           nn_activation_layer(NN_RELU, error), nn_conv2d(6, 3, 2, 2, NULL, error)};
    return nn_sequential(layers, 4, error);
}
static nn_module *lstm(ag_error *error) {
    return nn_lstm(3, 5, &(nn_recurrent_options){.layers = 2, .bidirectional = true}, error);
}
static nn_module *projected(ag_error *error) {
    return nn_lstm(3, 5, &(nn_recurrent_options){.layers = 2, .bidirectional = true, .proj_size = 2}, error);
}
static nn_module *gru(ag_error *error) { return nn_gru(3, 5, &(nn_recurrent_options){.layers = 2}, error); }
static nn_module *rnn(ag_error *error) { return nn_rnn(3, 5, AG_RNN_TANH, NULL, error); }
static nn_module *encoder(ag_error *error) {
    const nn_transformer_options o = {.features = 8, .heads = 2, .hidden = 16, .dropout = 0.1};
    return nn_transformer_encoder_layer(&o, error);
}
static nn_module *stack(ag_error *error) {
    const nn_transformer_options o = {
        .features = 8, .heads = 2, .hidden = 16, .dropout = 0.1, .gelu = true, .norm_first = true};
    return nn_transformer_encoder(2, true, &o, error);
}

static nn_module *decoder(ag_error *error) {
    const nn_transformer_options o = {.features = 8, .heads = 2, .hidden = 16, .dropout = 0.1};
    return nn_transformer_decoder(2, true, &o, error);
}
static nn_module *attention(ag_error *error) { return nn_multihead_attention(8, 4, NULL, error); }
/* Keys and values are the first features of the queries. */
enum { KDIM = 5, VDIM = 3 };
static nn_module *across(ag_error *error) {
    const nn_attention_options o = {.kdim = KDIM, .vdim = VDIM, .add_bias_kv = true, .add_zero_attn = true};
    return nn_multihead_attention(8, 4, &o, error);
}
static nn_module *signals(ag_error *error) {
    const nn_conv_options down = {.stride = {1, {2}}, .dilation = {1, {2}}, .groups = 2, .no_bias = true},
                          up = {.stride = {1, {2}}, .padding = {1, {1}}, .output_padding = {1, {1}}};
    const nn_instance_norm_options affine = {.affine = true};
    nn_module *layers[] = {nn_conv1d(4, 6, 3, &down, error), nn_batch_norm1d(6, NULL, error),
                           nn_conv_transpose1d(6, 4, 3, &up, error), nn_group_norm(2, 4, NULL, error),
                           nn_instance_norm1d(4, &affine, error)};
    return nn_sequential(layers, 5, error);
}
static nn_module *words(ag_error *error) {
    const int64_t six = 6;
    nn_module *layers[] = {nn_embedding(9, 6, 3, error), nn_layer_norm(1, &six, NULL, error)};
    return nn_sequential(layers, 2, error);
}
static nn_module *pair(ag_error *error) { return nn_bilinear(3, 4, 5, error); }

static const struct network {
    const char *name;
    nn_module *(*make)(ag_error *error);
    int rank;
    int64_t dim[4]; /* of x */
    int64_t words;  /* x is numbers below this one; 0: it is normal */
} networks[] = {{"mlp", mlp, 2, {5, 8}, 0},
                {"cnn", cnn, 4, {4, 2, 6, 5}, 0},
                {"lstm", lstm, 3, {7, 4, 3}, 0},
                {"projected", projected, 3, {7, 4, 3}, 0},
                {"gru", gru, 3, {7, 4, 3}, 0},
                {"rnn", rnn, 3, {7, 4, 3}, 0},
                {"encoder", encoder, 3, {3, 6, 8}, 0},
                {"stack", stack, 3, {3, 6, 8}, 0},
                {"decoder", decoder, 3, {3, 6, 8}, 0},
                {"attention", attention, 3, {3, 6, 8}, 0},
                {"across", across, 3, {3, 6, 8}, 0},
                {"signals", signals, 3, {3, 4, 9}, 0},
                {"words", words, 2, {4, 5}, 9},
                {"pair", pair, 2, {4, 7}, 0}};

enum { PATH_ROOM = 4096 };

/* One network in one dtype; what is held while it is tried. */
typedef struct trial {
    const struct network *n;
    ag_dtype dtype;
    nn_module *m;
    nn_params *p;
    ag_tape *t;
    ag_tensor *x, *y;
    ag_safetensors *file;
    ag_error error;
} trial;

static bool failed(trial *r, const char *what) {
    printf("%s %s: %s: %s\n", r->n->name, ag_dtype_name(r->dtype), what,
           ag_tape_status(r->t) ? ag_tape_message(r->t) : r->error.message);
    return false;
}

static bool path_of(const trial *r, const char *folder, const char *kind, char path[PATH_ROOM]) {
    return snprintf(path, PATH_ROOM, "%s/%s.%s%s.safetensors", folder, r->n->name, ag_dtype_name(r->dtype), kind) <
           PATH_ROOM;
}

static ag_value pass(trial *r, const ag_tensor *x, bool training) {
    nn_pass pass = {r->t, training};
    const ag_value in = ag_constant(r->t, x), none = {0};
    if (r->n->make == decoder) return nn_transformer_decoder_run(r->m, &pass, in, in, none, none);
    if (r->n->make == across)
        return nn_attention_run(r->m, &pass, in, ag_slice(in, -1, 0, KDIM, 1), ag_slice(in, -1, 0, VDIM, 1), none,
                                NULL);
    return nn_forward(r->m, &pass, in);
}

static bool save(trial *r, const char *folder) {
    char weights[PATH_ROOM], values[PATH_ROOM];
    ag_random random = {7, 0};
    const int64_t words = r->n->words;
    r->x = ag_tensor_new(words ? AG_I64 : r->dtype, r->n->rank, r->n->dim, &r->error);
    if (!r->x || (!words && nn_init_fill(nn_init_normal(0, 1), r->x, &random, &r->error)))
        return failed(r, "input");
    for (int64_t i = 0; words && i < ag_tensor_count(r->x); i++)
        if (ag_tensor_set(r->x, i, (double)(i % words))) return failed(r, "input");
    for (int i = 0; i < 3; i++) (void)pass(r, r->x, true); /* batch norm gathers */
    const ag_value y = pass(r, r->x, false);
    const ag_meta *meta = ag_meta_of(y);
    if (meta) r->y = ag_tensor_new(meta->dtype, meta->rank, meta->dim, &r->error);
    if (!r->y || ag_read_tensor(y, r->y)) return failed(r, "pass");
    ag_tensor *const both[] = {r->x, r->y};
    static const char *const names[] = {"x", "y"};
    if (!path_of(r, folder, "", weights) || !path_of(r, folder, ".values", values) ||
        nn_params_save(r->p, weights, NULL, &r->error) ||
        ag_safetensors_write(values, both, names, 2, NULL, &r->error))
        return failed(r, "save");
    return true;
}

static bool load(trial *r, const char *folder) {
    char path[PATH_ROOM];
    if (!path_of(r, folder, "", path) || nn_params_load(r->p, path, &r->error)) return failed(r, "load");
    if (path_of(r, folder, ".values", path)) r->file = ag_safetensors_read(path, &r->error);
    const ag_tensor *x = r->file ? ag_safetensors_find(r->file, "x") : NULL,
                    *expected = r->file ? ag_safetensors_find(r->file, "y") : NULL;
    if (!x || !expected) return failed(r, "x and y");
    const ag_value y = pass(r, x, false);
    const ag_meta *meta = ag_meta_of(y);
    if (!meta || !ag_meta_same_shape(meta, ag_tensor_meta(expected))) return failed(r, "pass");
    r->y = ag_tensor_new(r->dtype, meta->rank, meta->dim, &r->error);
    if (!r->y || ag_read_tensor(y, r->y)) return failed(r, "pass");
    double most = 0;
    for (int64_t i = 0; i < ag_tensor_count(expected); i++) {
        const double off = fabs(ag_tensor_get(expected, i) - ag_tensor_get(r->y, i));
        if (!isnan(most) && !(off <= most)) most = off; /* NaN stays, and is too large */
    }
    const bool good = most <= (r->dtype == AG_F32 ? 1e-6 : 1e-12);
    printf("%s %s: loaded from PyTorch, largest difference %.1e%s\n", r->n->name, ag_dtype_name(r->dtype), most,
           good ? "" : ": TOO LARGE");
    return good;
}

static bool attempt(const struct network *n, ag_dtype dtype, const char *folder, bool saving) {
    trial r = {.n = n, .dtype = dtype, .t = ag_tape_new(NULL), .error = {AG_OK, "out of memory"}};
    if (!r.t) return false;
    r.m = n->make(&r.error);
    r.p = nn_params_new(r.m, dtype, 5, &r.error);
    bool good = r.p ? (saving ? save(&r, folder) : load(&r, folder)) : failed(&r, "network");
    ag_safetensors_free(r.file);
    ag_tape_free(r.t);
    ag_tensor_free(r.y);
    ag_tensor_free(r.x);
    nn_params_free(r.p);
    nn_module_free(r.m);
    return good;
}

int main(int argc, char **argv) {
    const bool saving = argc == 3 && strcmp(argv[1], "save") == 0;
    if (!saving && !(argc == 3 && strcmp(argv[1], "load") == 0)) {
        fprintf(stderr, "usage: %s save|load FOLDER\n", argv[0]);
        return 2;
    }
    bool good = true;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++)
            good = attempt(&networks[i], dtype, argv[2], saving) && good;
    return good ? 0 : 1;
}
