/* base: what every other file stands on - visibility, status codes, the error record, memory.
 *
 * Every failure of the library passes through ag_fail(), so that one breakpoint catches them all.
 * Every byte the library owns comes from one allocator hook.
 * Nothing here prints, exits or aborts. */
#ifndef AUTOGRAD_BASE_H
#define AUTOGRAD_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define AG_BEGIN_DECLS extern "C" {
#define AG_END_DECLS   }
#else
#define AG_BEGIN_DECLS
#define AG_END_DECLS
#endif

#if defined(__GNUC__)
#define AG_API                 __attribute__((visibility("default")))
#define AG_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define AG_LIKELY(x)           __builtin_expect(!!(x), 1)
#define AG_WARN_UNUSED         __attribute__((warn_unused_result))
#else
#define AG_API
#define AG_PRINTF(text, first)
#define AG_LIKELY(x) (x)
#define AG_WARN_UNUSED
#endif

AG_BEGIN_DECLS

/** Status codes: X(name, text). AG_OK is 0; every other code is an error. */
#define AG_STATUS_LIST(X)                                                                                         \
    X(OK, "no error")                                                                                             \
    X(ERROR_MEMORY, "out of memory")                                                                              \
    X(ERROR_SHAPE, "shapes do not fit")                                                                           \
    X(ERROR_AXIS, "axis out of range")                                                                            \
    X(ERROR_INDEX, "index out of range")                                                                          \
    X(ERROR_DTYPE, "dtype not supported here")                                                                    \
    X(ERROR_VALUE, "argument out of range")                                                                       \
    X(ERROR_STALE, "handle from before a rewind")                                                                 \
    X(ERROR_FOREIGN, "value belongs to another tape")                                                             \
    X(ERROR_FAILED, "operation on a failed value")                                                                \
    X(ERROR_WRITTEN, "tensor written between forward and backward")                                               \
    X(ERROR_DERIVATIVE, "no derivative rule")                                                                     \
    X(ERROR_KEEPS, "rule reads a value it does not keep")                                                         \
    X(ERROR_LIMIT, "limit reached")                                                                               \
    X(ERROR_NAME, "name unknown or taken")                                                                        \
    X(ERROR_STATE, "call not allowed in this state")                                                              \
    X(ERROR_NONFINITE, "non-finite value")                                                                        \
    X(ERROR_IO, "file operation failed")                                                                          \
    X(ERROR_FORMAT, "file is malformed")                                                                          \
    X(ERROR_UNSUPPORTED, "not supported by this build")

typedef enum ag_status {
#define AG_STATUS_ENUM(name, text) AG_##name,
    AG_STATUS_LIST(AG_STATUS_ENUM)
#undef AG_STATUS_ENUM
        AG_STATUS_COUNT
} ag_status;

/** Name ("AG_ERROR_SHAPE") and plain text ("shapes do not fit") of a status. Never NULL. */
AG_API const char *ag_status_name(ag_status status);
AG_API const char *ag_status_text(ag_status status);

enum { AG_MESSAGE_SIZE = 512 };

/** What failed, for a person. Zero-initialise before use; a NULL ag_error* is accepted everywhere. */
typedef struct ag_error {
    ag_status status;              /* the failure's code                                  */
    char message[AG_MESSAGE_SIZE]; /* one line, NUL-terminated, truncated when too long   */
} ag_error;

/** Record a failure and return its status: `return ag_fail(error, AG_ERROR_SHAPE, "...", ...)`.
 *  The one place that every failure of the library passes: set a breakpoint here. */
AG_API ag_status ag_fail(ag_error *error, ag_status status, const char *format, ...) AG_PRINTF(3, 4);
AG_API ag_status ag_failv(ag_error *error, ag_status status, const char *format, va_list args);

/** The allocator hook: one function that allocates (old NULL), resizes and frees (new_size 0).
 *  The result is aligned to at least `alignment` (a power of two, at most 2 MiB) and keeps the first
 *  min(old_size, new_size) bytes. NULL means out of memory; a block that shrinks never fails. It is
 *  called with the size the block has, so a hook needs no headers. It must be thread-safe. */
typedef struct ag_allocator {
    void *(*resize)(void *user, void *old, size_t old_size, size_t new_size, size_t alignment);
    void *user;
} ag_allocator;

/** Replace the allocator; NULL restores the default. Call it before the first use of the library:
 *  blocks allocated by one hook are released through the hook in force. */
AG_API void ag_set_allocator(const ag_allocator *allocator);

/** Allocate, resize and free through the hook; alignment 64. ag_alloc(0) gives a unique block of one
 *  byte; NULL means out of memory. ag_release takes the block's size and accepts NULL. */
AG_API void *ag_alloc(size_t size) AG_WARN_UNUSED;
AG_API void *ag_alloc_zeroed(size_t size) AG_WARN_UNUSED;
AG_API void *ag_realloc(void *block, size_t old_size, size_t new_size) AG_WARN_UNUSED;
AG_API void ag_release(void *block, size_t size);
/** A copy of a string, in a block of strlen + 1 bytes; free it with ag_release_string. */
AG_API char *ag_copy_string(const char *text) AG_WARN_UNUSED;
AG_API void ag_release_string(char *text);

/** Checked size arithmetic: true, and the result stored, unless it would overflow (or, for int64_t,
 *  an operand is negative). */
AG_API bool ag_size_add(size_t x, size_t y, size_t *sum) AG_WARN_UNUSED;
AG_API bool ag_size_mul(size_t x, size_t y, size_t *product) AG_WARN_UNUSED;
AG_API bool ag_int_mul(int64_t x, int64_t y, int64_t *product) AG_WARN_UNUSED;

AG_END_DECLS
#endif
