/* checkpoint: a training run as a list of named tensors.
 *
 * The list is the same for saving and for loading: of a run as it stands it gives every name with its shape, dtype and
 * present numbers. Saving writes it, the settings as metadata. Loading compares a file with it, tries the numbers that
 * can be refused, and only then copies. What is no tensor in memory (counts, rates, a schedule) has a small tensor in
 * the list.
 * Not here: weights alone (param_file.c). */
#include "checkpoint.h"

#include "misfit_impl.h"
#include "optim/optim_impl.h"
#include "param_impl.h"
#include "train/history_impl.h"

#include <stdio.h>
#include <string.h>

/* What an entry of the list is. */
typedef enum entry {
    MADE,  /* a tensor of the list, made of numbers      */
    WHOLE, /* one of the run                             */
    PADDED /* one of the run, in which numbers lie as in the slab of the parameters */
} entry;

typedef struct list {
    size_t count, room;
    size_t fixed;       /* of count: the others are the history, which is as long as it is */
    ag_tensor **tensor; /* (room) */
    char **name;        /* (room) */
    entry *kind;        /* (room) */
} list;

static void list_clear(list *l) {
    for (size_t i = 0; i < l->count; i++) {
        if (l->kind[i] == MADE) ag_tensor_free(l->tensor[i]);
        ag_release_string(l->name[i]);
    }
    ag_release(l->kind, l->room * sizeof *l->kind);
    ag_release(l->name, l->room * sizeof *l->name);
    ag_release(l->tensor, l->room * sizeof *l->tensor);
}

static ag_status no_memory(ag_error *error) { return ag_fail(error, AG_ERROR_MEMORY, "checkpoint: no memory"); }

/* Under "prefix" and "name" put together. A tensor that is NULL could not be made. */
static ag_status add(list *l, const char *prefix, const char *name, ag_tensor *tensor, entry kind,
                     ag_error *error) {
    const size_t size = strlen(prefix) + strlen(name) + 1;
    char *whole = tensor ? ag_alloc(size) : NULL;
    if (!whole) {
        if (kind == MADE) ag_tensor_free(tensor);
        return no_memory(error);
    }
    (void)snprintf(whole, size, "%s%s", prefix, name);
    l->name[l->count] = whole;
    l->tensor[l->count] = tensor;
    l->kind[l->count++] = kind;
    return AG_OK;
}

static ag_tensor *reals(const double *x, int64_t n) {
    ag_tensor *t = ag_tensor_new(AG_F64, 1, &n, NULL);
    if (t) memcpy(ag_tensor_write(t), x, (size_t)n * sizeof *x);
    return t;
}

static ag_tensor *wholes(const int64_t *x, int64_t n) {
    ag_tensor *t = ag_tensor_new(AG_I64, 1, &n, NULL);
    if (t) memcpy(ag_tensor_write(t), x, (size_t)n * sizeof *x);
    return t;
}

/* ---- schedules as arrays ------------------------------------------------------------------------------------- */

enum { SCHEDULE_REALS = 9, SCHEDULE_WHOLES = 4 + NN_SCHEDULE_MILESTONES, PLATEAU_REALS = 5, PLATEAU_WHOLES = 7 };

static ag_status add_schedule(list *l, const nn_schedule *s, ag_error *error) {
    const double real[SCHEDULE_REALS] = {s->lr,    s->low,         s->from,         s->to,           s->factor,
                                         s->share, s->warmup_from, s->momentum_low, s->momentum_high};
    int64_t whole[SCHEDULE_WHOLES] = {(int64_t)s->kind, s->length, s->milestone_count, s->warmup};
    memcpy(whole + 4, s->milestone, sizeof s->milestone);
    const ag_status status = add(l, "schedule.", "real", reals(real, SCHEDULE_REALS), MADE, error);
    return status ? status : add(l, "schedule.", "whole", wholes(whole, SCHEDULE_WHOLES), MADE, error);
}

static ag_status read_schedule(const double *real, const int64_t *whole, nn_schedule *s, ag_error *error) {
    if (whole[0] < 0 || whole[0] > NN_SCHEDULE_ONE_CYCLE)
        return ag_fail(error, AG_ERROR_VALUE, "nn_schedule: an unknown kind %lld", (long long)whole[0]);
    *s = (nn_schedule){.kind = (nn_schedule_kind)whole[0],
                       .lr = real[0],
                       .low = real[1],
                       .from = real[2],
                       .to = real[3],
                       .factor = real[4],
                       .share = real[5],
                       .warmup_from = real[6],
                       .momentum_low = real[7],
                       .momentum_high = real[8],
                       .length = whole[1],
                       .milestone_count = whole[2],
                       .warmup = whole[3]};
    memcpy(s->milestone, whole + 4, sizeof s->milestone);
    return nn_schedule_check(s, error);
}

static ag_status add_plateau(list *l, const nn_plateau *p, ag_error *error) {
    const double real[PLATEAU_REALS] = {p->factor, p->threshold, p->low, p->eps, p->best};
    const int64_t whole[PLATEAU_WHOLES] = {p->patience, p->absolute, p->rising, p->cooldown,
                                           p->begun,    p->bad,      p->cooling};
    const ag_status status = add(l, "plateau.", "real", reals(real, PLATEAU_REALS), MADE, error);
    return status ? status : add(l, "plateau.", "whole", wholes(whole, PLATEAU_WHOLES), MADE, error);
}

/* Of its numbers only those that it counts could do harm. */
static ag_status read_plateau(const double *real, const int64_t *whole, nn_plateau *p, ag_error *error) {
    static const int64_t most = INT64_C(1) << 53;
    for (int i = 5; i <= 6; i++)
        if (whole[i] < 0 || whole[i] > most)
            return ag_fail(error, AG_ERROR_VALUE, "nn_plateau: one that has counted %lld", (long long)whole[i]);
    *p = (nn_plateau){.factor = real[0],
                      .threshold = real[1],
                      .low = real[2],
                      .eps = real[3],
                      .best = real[4],
                      .patience = whole[0],
                      .absolute = whole[1] != 0,
                      .rising = whole[2] != 0,
                      .cooldown = whole[3],
                      .begun = whole[4] != 0,
                      .bad = whole[5],
                      .cooling = whole[6]};
    return AG_OK;
}

/* What early stopping keeps, under the names of what it keeps a copy of. */
static ag_status add_early(list *l, const nn_checkpoint *c, ag_error *error) {
    const double least = nn_early_least(c->early);
    const int64_t since = nn_early_since(c->early);
    ag_status status = AG_OK;
    for (size_t i = 0; !status && i < nn_params_kept(c->params); i++)
        status = add(l, "early.copy.", ag_tensor_name(nn_params_keep(c->params, i)), nn_early_keep(c->early, i),
                     WHOLE, error);
    if (!status) status = add(l, "early.", "least", reals(&least, 1), MADE, error);
    return status ? status : add(l, "early.", "since", wholes(&since, 1), MADE, error);
}

/* ---- the list ------------------------------------------------------------------------------------------------ */

/* The group of every parameter: an optimiser whose groups hold others goes on differently. */
static ag_tensor *groups(const nn_checkpoint *c) {
    const int64_t n = (int64_t)nn_params_count(c->params);
    ag_tensor *t = ag_tensor_new(AG_I64, 1, &n, NULL);
    int64_t *of = t ? ag_tensor_write(t) : NULL;
    for (int64_t i = 0; of && i < n; i++)
        of[i] = (int64_t)nn_optim_group_of(c->optim, nn_params_name(c->params, (size_t)i));
    return t;
}

static ag_status add_optim(list *l, const nn_checkpoint *c, ag_error *error) {
    const nn_optim *o = c->optim;
    ag_status status = AG_OK;
    for (size_t i = 0; !status && i < nn_optim_state_count(o); i++)
        status = add(l, "optim.", nn_optim_state_name(o, i), nn_optim_state(o, i),
                     o->no_slab >> i & 1 ? WHOLE : PADDED, error);
    for (size_t i = 0; !status && i < nn_optim_number_count(o); i++) {
        const double x = nn_optim_number(o, i);
        status = add(l, "optim.number.", nn_optim_number_name(o, i), reals(&x, 1), MADE, error);
    }
    return status ? status : add(l, "optim.", "groups", groups(c), MADE, error);
}

/* Everything of a run, in order. On error what was made is for list_clear. */
static ag_status collect(list *l, const nn_checkpoint *c, ag_error *error) {
    enum { OTHERS = 10 + NNX_HISTORY_TENSORS }; /* at most, besides weights, state and numbers */
    if (!c->params) return ag_fail(error, AG_ERROR_VALUE, "checkpoint: the parameters are NULL");
    if (c->ema && nn_ema_swapped(c->ema))
        return ag_fail(error, AG_ERROR_STATE, "checkpoint: the average is swapped in");
    if (c->early && !nn_early_is_of(c->early, c->params))
        return ag_fail(error, AG_ERROR_VALUE, "checkpoint: early stopping of other parameters");
    const size_t kept = nn_params_kept(c->params);
    l->room = kept + (c->early ? kept : 0) + (c->ema ? nn_ema_buffer_count(c->ema) : 0) + OTHERS;
    if (c->optim) l->room += nn_optim_state_count(c->optim) + nn_optim_number_count(c->optim);
    l->tensor = ag_alloc(l->room * sizeof *l->tensor); /* no overflow: more bytes than these exist */
    l->name = ag_alloc(l->room * sizeof *l->name);
    l->kind = ag_alloc(l->room * sizeof *l->kind);
    if (!l->tensor || !l->name || !l->kind) return no_memory(error);
    ag_status status = AG_OK;
    for (size_t i = 0; !status && i < kept; i++) {
        ag_tensor *x = nn_params_keep(c->params, i);
        status = add(l, "model.", ag_tensor_name(x), x, WHOLE, error);
    }
    if (!status && c->optim) status = add_optim(l, c, error);
    if (!status && c->ema) status = add(l, "ema.", "average", nn_ema_state(c->ema), PADDED, error);
    for (size_t i = 0; !status && c->ema && i < nn_ema_buffer_count(c->ema); i++) {
        ag_tensor *x = nn_ema_buffer(c->ema, i);
        status = add(l, "ema.buffer.", ag_tensor_name(x), x, WHOLE, error);
    }
    if (!status && c->schedule) status = add_schedule(l, c->schedule, error);
    if (!status && c->plateau) status = add_plateau(l, c->plateau, error);
    if (!status && c->early) status = add_early(l, c, error);
    if (!status && c->random) {
        int64_t word[2];
        memcpy(word, c->random, sizeof word); /* two words of 64 bits, as they are */
        status = add(l, "", "random", wholes(word, 2), MADE, error);
    }
    if (!status && c->epoch) status = add(l, "", "epoch", wholes(c->epoch, 1), MADE, error);
    l->fixed = l->count;
    for (int k = 0; !status && c->history && k < NNX_HISTORY_TENSORS; k++)
        status = add(l, "", nnx_history_tensor_name[k], nnx_history_tensor(c->history, k), MADE, error);
    return status;
}

/* ---- saving and loading -------------------------------------------------------------------------------------- */

static const char OPTIMISER[] = "optimiser"; /* key of the metadata: see rule_text */
enum { RULE_TEXT = 160 };

/* The name of the rule, and what is switched on in it: "nn_adam_update decoupled" is AdamW's. */
static const char *rule_text(const nn_optim *o, char text[RULE_TEXT]) {
    if (!o) return "none";
    double attrs[NNX_ATTRS_SIZE / sizeof(double)] = {0};
    int n = snprintf(text, RULE_TEXT, "%s", o->rule->name);
    if (o->attrs) o->attrs(o, &o->own, o->lr, attrs);
    for (uint32_t k = 0; o->attrs && k < o->rule->n_fields; k++) {
        const ag_field *field = &o->rule->fields[k];
        bool on = false;
        if (field->kind == AG_FIELD_BOOL) memcpy(&on, (const char *)attrs + field->offset, sizeof on);
        if (on && n < RULE_TEXT) n += snprintf(text + n, (size_t)(RULE_TEXT - n), " %s", field->name);
    }
    if (o->own.maximize && n < RULE_TEXT) (void)snprintf(text + n, (size_t)(RULE_TEXT - n), " maximize");
    return text;
}

ag_status nn_checkpoint_save(const nn_checkpoint *c, const char *path, ag_error *error) {
    list l = {.count = 0};
    char rule[RULE_TEXT];
    size_t settings = 0, n = 0;
    while (c->settings && c->settings[settings]) settings++;
    const size_t bytes = (settings + 3 + 2 * NN_FIT_METRICS) * sizeof(char *);
    const char **metadata = ag_alloc(bytes);
    ag_status status = metadata ? collect(&l, c, error) : no_memory(error);
    if (!status) {
        metadata[n++] = OPTIMISER;
        metadata[n++] = rule_text(c->optim, rule);
        for (size_t k = 0; c->history && k < c->history->metrics; k++) {
            metadata[n++] = nnx_history_key[k];
            metadata[n++] = c->history->name[k];
        }
        for (size_t i = 0; i < settings; i++) metadata[n++] = c->settings[i];
        metadata[n] = NULL;
        status = ag_safetensors_write(path, l.tensor, (const char *const *)l.name, l.count, metadata, error);
    }
    list_clear(&l);
    ag_release(metadata, bytes);
    return status;
}

static void compare_settings(const nn_checkpoint *c, const ag_safetensors *file, nnx_misfit *m) {
    for (const char *const *s = c->settings; s && s[0] && s[1]; s += 2) {
        const char *have = ag_safetensors_metadata(file, s[0]);
        if (!have)
            nnx_misfit_add(m, "%s is missing", s[0]);
        else if (strcmp(have, s[1]) != 0)
            nnx_misfit_add(m, "%s is %s, should be %s", s[0], have, s[1]);
    }
}

static void compare(const list *l, const nn_checkpoint *c, const ag_safetensors *file, nnx_misfit *m) {
    size_t found = 0;
    for (size_t i = 0; i < l->count; i++) {
        const ag_tensor *have = ag_safetensors_find(file, l->name[i]);
        found += have != NULL;
        if (i >= l->fixed) continue;
        const bool fits = nnx_misfit_compare(m, l->name[i], l->tensor[i], have);
        if (fits && strcmp(l->name[i], "optim.groups") == 0 &&
            memcmp(ag_tensor_data(l->tensor[i]), ag_tensor_data(have), ag_meta_bytes(ag_tensor_meta(have))) != 0)
            nnx_misfit_add(m, "\"optim.groups\" are other groups");
    }
    if (c->history) nnx_history_compare(file, m);
    for (size_t k = 0; found < ag_safetensors_count(file) && k < ag_safetensors_count(file); k++) {
        size_t i = 0;
        while (i < l->count && strcmp(l->name[i], ag_safetensors_name(file, k)) != 0) i++;
        if (i == l->count) nnx_misfit_add(m, "\"%s\" is not in the run", ag_safetensors_name(file, k));
    }
    char text[RULE_TEXT];
    const char *have = ag_safetensors_metadata(file, OPTIMISER), *want = rule_text(c->optim, text);
    if (c->optim && have && strcmp(have, want) != 0)
        nnx_misfit_add(m, "the optimiser is %s, should be %s", have, want);
}

static const void *data(const ag_safetensors *file, const char *name) {
    return ag_tensor_data(ag_safetensors_find(file, name));
}

/* Sets the optimiser's numbers: all, or, where one is refused, none. `l` has those before. */
static ag_status set_numbers(nn_optim *o, const list *l, const ag_safetensors *file, size_t first,
                             ag_error *error) {
    const size_t n = nn_optim_number_count(o);
    const int64_t steps = nn_optim_steps(o);
    const double lr = nn_optim_lr(o);
    ag_status status = AG_OK;
    size_t done = 0;
    for (; done < n; done++) {
        const double *x = data(file, l->name[first + done]);
        status = nn_optim_set_number(o, done, *x, error);
        if (status) break;
    }
    if (!status) return AG_OK;
    while (done-- > 0) { /* what it was before it can be again */
        const double *x = ag_tensor_data(l->tensor[first + done]);
        if (nn_optim_set_number(o, done, *x, NULL)) continue;
    }
    nn_optim_set_steps(o, steps); /* these two can be what no number may be */
    nn_optim_set_lr(o, lr);
    return status;
}

static void copy_whole(ag_tensor *to, const void *from) {
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(to));
    if (bytes) memcpy(ag_tensor_write(to), from, bytes);
}

/* Rows that lie as the slab does: what a file has between the parameters stays there. From the padding of a state it would
 * get into the slab's, which is zero, and into every sum over all of it. */
static void copy_padded(const nn_params *p, ag_tensor *to, const void *from) {
    const ag_meta *meta = ag_tensor_meta(to);
    const size_t size = ag_dtype_size(meta->dtype), row = (size_t)meta->dim[meta->rank - 1] * size,
                 bytes = ag_meta_bytes(meta);
    char *x = bytes ? ag_tensor_write(to) : NULL;
    for (size_t at = 0; at < bytes; at += row) {
        for (size_t i = 0; i < nn_params_count(p); i++) {
            const size_t begin = at + (size_t)nnx_params_offset(p, i) * size;
            memcpy(x + begin, (const char *)from + begin, ag_meta_bytes(ag_tensor_meta(nn_params_tensor(p, i))));
        }
    }
}

/* The file agrees with the list. */
static ag_status restore(const nn_checkpoint *c, const list *l, const ag_safetensors *file, ag_error *error) {
    nn_schedule schedule = {.lr = 0};
    nn_plateau plateau = {.bad = 0};
    nn_history history = {.count = 0};
    ag_status status = AG_OK;
    if (c->schedule)
        status = read_schedule(data(file, "schedule.real"), data(file, "schedule.whole"), &schedule, error);
    if (!status && c->plateau)
        status = read_plateau(data(file, "plateau.real"), data(file, "plateau.whole"), &plateau, error);
    if (!status && c->history) status = nnx_history_read(file, &history, error);
    const double least = c->early ? nn_early_least(c->early) : 0;
    const int64_t since = c->early ? nn_early_since(c->early) : 0;
    if (!status && c->early)
        status = nn_early_set(c->early, *(const double *)data(file, "early.least"),
                              *(const int64_t *)data(file, "early.since"), error);
    if (!status && c->optim) {
        status = set_numbers(c->optim, l, file, nn_params_kept(c->params) + nn_optim_state_count(c->optim), error);
        if (status && c->early && nn_early_set(c->early, least, since, NULL)) goto done; /* what was can be */
    }
    if (status) goto done;
    for (size_t i = 0; i < l->count; i++) {
        if (l->kind[i] == WHOLE) copy_whole(l->tensor[i], data(file, l->name[i]));
        if (l->kind[i] == PADDED) copy_padded(c->params, l->tensor[i], data(file, l->name[i]));
    }
    if (c->schedule) *c->schedule = schedule;
    if (c->plateau) *c->plateau = plateau;
    if (c->random) memcpy(c->random, data(file, "random"), sizeof *c->random);
    if (c->epoch) memcpy(c->epoch, data(file, "epoch"), sizeof *c->epoch);
    if (c->history) { /* which leaves its old epochs here */
        const nn_history old = *c->history;
        *c->history = history;
        history = old;
    }
done:
    nn_history_clear(&history);
    return status;
}

ag_status nn_checkpoint_load(const nn_checkpoint *c, const char *path, ag_error *error) {
    list l = {.count = 0};
    ag_safetensors *file = NULL;
    ag_status status = collect(&l, c, error);
    if (status) goto done;
    ag_error why = {AG_OK, ""};
    file = ag_safetensors_read(path, &why);
    if (!file) {
        status = ag_fail(error, why.status, "%s", why.message);
        goto done;
    }
    nnx_misfit m = nnx_misfit_of(path);
    compare_settings(c, file, &m);
    if (m.count == 0) compare(&l, c, file, &m); /* other settings explain whatever else disagrees */
    status = nnx_misfit_status(&m, path, "the run", error);
    if (status) goto done;
    status = restore(c, &l, file, &why);
    if (status) status = ag_fail(error, status, "%.*s: %s", NNX_MISFIT_PATH, path, why.message);
done:
    ag_safetensors_free(file);
    list_clear(&l);
    return status;
}
