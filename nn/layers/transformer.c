/* transformer: encoder and decoder blocks and stacks.
 *
 * A block is a list of sublayers, each with a norm of its own: self-attention, for a decoder attention to a memory, and
 * the feed-forward part. What differs between the two kinds is one sublayer and a number. */
#include "transformer.h"

#include "../module_impl.h"
#include "layers.h"
#include "norm.h"

#include <math.h>
#include <stdio.h>

typedef struct block {
    nn_module base;
    nn_transformer_options options;
    nn_module *self, *across;     /* attention; across NULL: an encoder */
    nn_module *linear1, *linear2; /* D -> hidden -> D                   */
    nn_module *norm[3];           /* norm1, norm2, norm3                */
} block;

typedef struct stack {
    nn_module base;
    bool decodes;
    nn_module *layers; /* holds the blocks */
    nn_module *norm;   /* NULL: none       */
} stack;

/* What a block reads beside x. */
typedef struct context {
    ag_value memory, mask, memory_mask;
} context;

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

static ag_value drop(const block *b, const nn_pass *pass, ag_value x) {
    return pass->training && b->options.dropout > 0 ? ag_dropout(x, b->options.dropout) : x;
}

static ag_value feed_forward(const block *b, nn_pass *pass, ag_value x) {
    const ag_value z = nn_forward(b->linear1, pass, x);
    return nn_forward(b->linear2, pass, drop(b, pass, b->options.gelu ? ag_gelu(z) : ag_relu(z)));
}

static ag_value run_block(const block *b, nn_pass *pass, ag_value x, const context *c) {
    const int sublayers = b->across ? 3 : 2;
    for (int i = 0; i < sublayers; i++) {
        const ag_value in = b->options.norm_first ? nn_forward(b->norm[i], pass, x) : x;
        ag_value y;
        if (i == 0)
            y = nn_attention_run(b->self, pass, in, in, in, c->mask, NULL);
        else if (i + 1 < sublayers)
            y = nn_attention_run(b->across, pass, in, c->memory, c->memory, c->memory_mask, NULL);
        else
            y = feed_forward(b, pass, in);
        x = ag_add(x, drop(b, pass, y));
        if (!b->options.norm_first) x = nn_forward(b->norm[i], pass, x);
    }
    return x;
}

static ag_value run_stack(const stack *s, nn_pass *pass, ag_value x, const context *c) {
    nnx_enter(s->layers, pass);
    for (nn_module *m = s->layers->children; m; m = m->next) {
        nnx_enter(m, pass);
        x = nnx_leave(m, pass, run_block((const block *)m, pass, x, c));
    }
    x = nnx_leave(s->layers, pass, x);
    return s->norm ? nn_forward(s->norm, pass, x) : x;
}

static ag_value block_forward(nn_module *m, nn_pass *pass, ag_value x) {
    if (((block *)m)->across)
        return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "%s: needs a memory: nn_transformer_decoder_run", m->type);
    return run_block((block *)m, pass, x, &(const context){.mask = {0}});
}

static ag_value stack_forward(nn_module *m, nn_pass *pass, ag_value x) {
    if (((stack *)m)->decodes)
        return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "%s: needs a memory: nn_transformer_decoder_run", m->type);
    return run_stack((stack *)m, pass, x, &(const context){.mask = {0}});
}

static ag_value run(nn_module *m, nn_pass *pass, ag_value x, const context *c, bool decodes) {
    const bool one = m && m->forward == block_forward && !((block *)m)->across != decodes;
    if (!one && !(m && m->forward == stack_forward && ((stack *)m)->decodes == decodes))
        return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "nn_transformer_%s_run: %s is no %s",
                            decodes ? "decoder" : "encoder", m ? m->type : "NULL",
                            decodes ? "decoder" : "encoder");
    nnx_enter(m, pass);
    return nnx_leave(m, pass, one ? run_block((block *)m, pass, x, c) : run_stack((stack *)m, pass, x, c));
}

ag_value nn_transformer_encoder_run(nn_module *m, nn_pass *pass, ag_value x, ag_value mask) {
    return run(m, pass, x, &(const context){.mask = mask}, false);
}

ag_value nn_transformer_decoder_run(nn_module *m, nn_pass *pass, ag_value x, ag_value memory, ag_value mask,
                                    ag_value memory_mask) {
    return run(m, pass, x, &(const context){memory, mask, memory_mask}, true);
}

/* ---- construction ------------------------------------------------------------------------------------------------ */

/* Hands a child over; false: it could not be made or taken, and is gone. */
static bool adopt(nn_module *m, const char *name, nn_module **place, nn_module *child, ag_error *error) {
    if (nn_module_child(m, name, child, error)) {
        nn_module_free(child);
        return false;
    }
    *place = child;
    return true;
}

static nn_module *norm_new(const nn_transformer_options *o, ag_error *error) {
    return nn_layer_norm(1, &o->features, &(const nn_norm_options){.eps = o->eps}, error);
}

static nn_module *block_new(const nn_transformer_options *options, bool decodes, ag_error *error) {
    const char *type = decodes ? "transformer_decoder_layer" : "transformer_encoder_layer";
    if (!options || !(options->eps >= 0 && isfinite(options->eps))) {
        (void)ag_fail(error, AG_ERROR_VALUE, "%s: %s", type,
                      options ? "eps must be finite and not below 0" : "no options");
        return NULL;
    }
    block *b = nn_module_new(sizeof *b, type, block_forward, error);
    if (!b) return NULL;
    b->options = *options;
    const int64_t D = options->features, hidden = options->hidden;
    nn_attention_options self = {.causal = options->causal, .dropout = options->dropout}, across = self;
    across.causal = false;
    nn_module *const m = &b->base;
    bool made = adopt(m, "self_attn", &b->self, nn_multihead_attention(D, options->heads, &self, error), error);
    if (decodes)
        made = made && adopt(m, "multihead_attn", &b->across,
                             nn_multihead_attention(D, options->heads, &across, error), error);
    made = made && adopt(m, "linear1", &b->linear1, nn_linear(D, hidden, error), error) &&
           adopt(m, "linear2", &b->linear2, nn_linear(hidden, D, error), error);
    for (int i = 0; made && i < (decodes ? 3 : 2); i++) {
        static const char *const names[] = {"norm1", "norm2", "norm3"};
        made = adopt(m, names[i], &b->norm[i], norm_new(options, error), error);
    }
    return made ? m : nn_module_free_null(m);
}

nn_module *nn_transformer_encoder_layer(const nn_transformer_options *options, ag_error *error) {
    return block_new(options, false, error);
}

nn_module *nn_transformer_decoder_layer(const nn_transformer_options *options, ag_error *error) {
    return block_new(options, true, error);
}

static nn_module *stack_new(int n, bool final_norm, const nn_transformer_options *options, bool decodes,
                            ag_error *error) {
    const char *type = decodes ? "transformer_decoder" : "transformer_encoder";
    if (n < 0 || !options) {
        (void)ag_fail(error, AG_ERROR_VALUE, "%s: %d layers%s", type, n, options ? "" : ", no options");
        return NULL;
    }
    stack *s = nn_module_new(sizeof *s, type, stack_forward, error);
    if (!s) return NULL;
    s->decodes = decodes;
    bool made = adopt(&s->base, "layers", &s->layers, nn_sequential(NULL, 0, error), error);
    for (int i = 0; made && i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        nn_module *b = block_new(options, decodes, error);
        made = adopt(s->layers, name, &b, b, error);
    }
    if (made && final_norm) made = adopt(&s->base, "norm", &s->norm, norm_new(options, error), error);
    return made ? &s->base : nn_module_free_null(&s->base);
}

nn_module *nn_transformer_encoder(int n, bool final_norm, const nn_transformer_options *options, ag_error *error) {
    return stack_new(n, final_norm, options, false, error);
}

nn_module *nn_transformer_decoder(int n, bool final_norm, const nn_transformer_options *options, ag_error *error) {
    return stack_new(n, final_norm, options, true, error);
}
