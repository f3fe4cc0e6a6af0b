/* base: status texts, the error record, the allocator hook, checked size arithmetic.
 *
 * Invariant: no other file of the library calls malloc, realloc or free.
 * Left out: any state beside the hook in force, which is set before first use and needs no lock. */
#define _DEFAULT_SOURCE 1 /* madvise */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { ALIGNMENT = 64 };

/* From this size on a block is placed on a huge page's boundary and the system is asked for huge pages. */
static const size_t huge_block = (size_t)4 << 20, huge_page = (size_t)2 << 20;

const char *ag_status_name(ag_status status) {
    static const char *const names[AG_STATUS_COUNT] = {
#define STATUS_NAME(name, text) "AG_" #name,
        AG_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    };
    return (unsigned)status < AG_STATUS_COUNT ? names[status] : "AG_STATUS_UNKNOWN";
}

const char *ag_status_text(ag_status status) {
    static const char *const texts[AG_STATUS_COUNT] = {
#define STATUS_TEXT(name, text) text,
        AG_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    };
    return (unsigned)status < AG_STATUS_COUNT ? texts[status] : "unknown status";
}

ag_status ag_failv(ag_error *error, ag_status status, const char *format, va_list args) {
    if (!error) return status;
    /* Formatted aside, because an argument may be the text that is being replaced. */
    char message[AG_MESSAGE_SIZE];
    if (vsnprintf(message, sizeof message, format, args) < 0) message[0] = '\0';
    memcpy(error->message, message, sizeof message);
    error->status = status;
    return status;
}

ag_status ag_fail(ag_error *error, ag_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ag_failv(error, status, format, args);
    va_end(args);
    return status;
}

/* ---- memory --------------------------------------------------------------------------------------------- */

static void *system_alloc(size_t size, size_t alignment) {
    if (size > PTRDIFF_MAX) return NULL;
    bool huge = size >= huge_block;
    if (huge && alignment < huge_page) alignment = huge_page;
    void *block = NULL;
    if (posix_memalign(&block, alignment, size) != 0) return NULL;
#if defined(MADV_HUGEPAGE)
    /* Advice only: where the system refuses, the block is as good, merely slower to touch first. */
    if (huge) (void)madvise(block, size / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    return block;
}

static void *system_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    /* Not realloc(): it forgets the alignment. */
    void *block = system_alloc(new_size, alignment);
    if (!old) return block;
    if (!block) return new_size <= old_size ? old : NULL;
    memcpy(block, old, old_size < new_size ? old_size : new_size);
    free(old);
    return block;
}

static ag_allocator hook = {system_resize, NULL};

void ag_set_allocator(const ag_allocator *allocator) {
    hook = allocator ? *allocator : (ag_allocator){system_resize, NULL};
}

/* A block of no bytes has one, so that it has an address of its own and new_size 0 always means "free". */
static size_t block_size(size_t size) { return size ? size : 1; }

void *ag_alloc(size_t size) { return hook.resize(hook.user, NULL, 0, block_size(size), ALIGNMENT); }

void *ag_alloc_zeroed(size_t size) {
    void *block = ag_alloc(size);
    if (block) memset(block, 0, block_size(size));
    return block;
}

void *ag_realloc(void *block, size_t old_size, size_t new_size) {
    if (!block) return ag_alloc(new_size);
    return hook.resize(hook.user, block, block_size(old_size), block_size(new_size), ALIGNMENT);
}

void ag_release(void *block, size_t size) {
    if (block) hook.resize(hook.user, block, block_size(size), 0, ALIGNMENT);
}

char *ag_copy_string(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = ag_alloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

void ag_release_string(char *text) {
    if (text) ag_release(text, strlen(text) + 1);
}

/* ---- checked arithmetic --------------------------------------------------------------------------------- */

bool ag_size_add(size_t x, size_t y, size_t *sum) {
    if (y > SIZE_MAX - x) return false;
    *sum = x + y;
    return true;
}

bool ag_size_mul(size_t x, size_t y, size_t *product) {
    if (y && x > SIZE_MAX / y) return false;
    *product = x * y;
    return true;
}

bool ag_int_mul(int64_t x, int64_t y, int64_t *product) {
    if (x < 0 || y < 0 || (y && x > INT64_MAX / y)) return false;
    *product = x * y;
    return true;
}
