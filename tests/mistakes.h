/* mistakes: a table of wrong calls, each of which must fail the tape, name its operation and say what is wrong. */
#ifndef TESTS_MISTAKES_H
#define TESTS_MISTAKES_H

#include "ops_support.h"

typedef struct mistake {
    ag_value (*make)(ag_tape *t);
    ag_status status;
    const char *says[4]; /* parts of the message; it begins with the first */
} mistake;

#define F(...) ag_full(t, AG_F32, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), SHAPE(__VA_ARGS__), 1)
#define MAKE(name, expression)                                                                                    \
    static ag_value name(ag_tape *t) { return expression; }

static inline void expect_mistake(const mistake *m, int number) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_mark mark = ag_tape_mark(t);
    ag_scope_begin(t, "encoder");
    const ag_value y = m->make(t);
    const char *message = ag_tape_message(t);
    ck_assert_msg(!ag_ok(y) && y.id == 0, "mistake %d went through", number);
    ck_assert_msg(ag_tape_status(t) == m->status, "mistake %d: %s, expected %s: %s", number,
                  ag_status_name(ag_tape_status(t)), ag_status_name(m->status), message);
    ck_assert_msg(strncmp(message, m->says[0], strlen(m->says[0])) == 0, "does not begin with '%s': %s",
                  m->says[0], message);
    for (int k = 1; k < 4 && m->says[k]; k++)
        ck_assert_msg(strstr(message, m->says[k]) != NULL, "does not say '%s': %s", m->says[k], message);
    ck_assert_msg(strstr(message, "encoder") != NULL, "does not name the scope: %s", message);
    ag_scope_end(t);
    ck_assert_int_eq(ag_tape_rewind(t, mark), m->status);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ag_tape_free(t);
}

#endif
