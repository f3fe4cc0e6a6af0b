/* prefetch: one thread, one lock, a ring of places.
 *
 * Item k lies in place k mod slots. The thread makes item `made` while made < released + slots: so it never touches the
 * place of an item that is ready and not yet given back. All numbers are read and written under the lock; the items
 * themselves change hands with it, and need none. POSIX threads, since C11's are not everywhere. */
#define _POSIX_C_SOURCE 200809L

#include "prefetch_impl.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct nnx_prefetch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, news; /* for the thread, for the caller */
    nnx_prefetch_make *make;
    void *user;
    int64_t slots, count;          /* of items to be made; 0: rest                          */
    int64_t made, given, released; /* items: ready, handed out, and their places given back */
    bool busy, stop, quit;         /* in `make`; give up this item; end the thread          */
};

static void *work(void *user) {
    nnx_prefetch *p = user;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->quit && !(p->made < p->count && p->made < p->released + p->slots))
            pthread_cond_wait(&p->work, &p->lock);
        if (p->quit) break;
        const int64_t k = p->made;
        p->busy = true;
        pthread_mutex_unlock(&p->lock);
        const bool done = p->make(p->user, k);
        pthread_mutex_lock(&p->lock);
        p->busy = false;
        p->made = k + 1;
        if (!done) p->count = p->made;
        pthread_cond_signal(&p->news);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the program's own threads: a handler must not interrupt a source that reads. */
static int start_thread(nnx_prefetch *p) {
    sigset_t all, before;
    sigfillset(&all);
    int failed = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (failed) return failed;
    failed = pthread_create(&p->thread, NULL, work, p);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

nnx_prefetch *nnx_prefetch_new(int64_t slots, nnx_prefetch_make *make, void *user, ag_error *error) {
    nnx_prefetch *p = ag_alloc_zeroed(sizeof *p);
    if (!p) {
        ag_fail(error, AG_ERROR_MEMORY, "no memory for a second thread");
        return NULL;
    }
    p->slots = slots;
    p->make = make;
    p->user = user;
    int failed = pthread_mutex_init(&p->lock, NULL);
    if (failed) goto lock;
    failed = pthread_cond_init(&p->work, NULL);
    if (failed) goto work;
    failed = pthread_cond_init(&p->news, NULL);
    if (failed) goto news;
    failed = start_thread(p);
    if (!failed) return p;
    pthread_cond_destroy(&p->news);
news:
    pthread_cond_destroy(&p->work);
work:
    pthread_mutex_destroy(&p->lock);
lock:
    ag_release(p, sizeof *p);
    ag_fail(error, AG_ERROR_LIMIT, "no second thread: %s", strerror(failed));
    return NULL;
}

void nnx_prefetch_free(nnx_prefetch *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = p->quit = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->news);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    ag_release(p, sizeof *p);
}

void nnx_prefetch_start(nnx_prefetch *p, int64_t count) {
    pthread_mutex_lock(&p->lock);
    p->count = count;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void nnx_prefetch_stop(nnx_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    p->count = 0; /* nothing new is begun */
    while (p->busy) pthread_cond_wait(&p->news, &p->lock);
    p->stop = false;
    p->count = p->made = p->given = p->released = 0;
    pthread_mutex_unlock(&p->lock);
}

bool nnx_prefetch_stopping(nnx_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    const bool stop = p->stop;
    pthread_mutex_unlock(&p->lock);
    return stop;
}

void nnx_prefetch_next(nnx_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    p->released = p->given;
    pthread_cond_signal(&p->work);
    while (p->made <= p->given) pthread_cond_wait(&p->news, &p->lock);
    p->given++;
    pthread_mutex_unlock(&p->lock);
}
