/* npy_impl: an array as NumPy's bytes, for the two kinds of file that hold it. Internal. */
#ifndef AGX_IO_NPY_IMPL_H
#define AGX_IO_NPY_IMPL_H

#include "npy.h"

enum { AGX_NPY_HEADER_MAX = 10000, AGX_NPY_PREFIX_MAX = 12 };

/** The limit that a caller's 0 stands for. */
size_t agx_npy_limit(size_t limit);
/** The array that `size` bytes are, exactly; `where` opens the messages.
 *  Errors: NULL: AG_ERROR_FORMAT, AG_ERROR_DTYPE, AG_ERROR_LIMIT, AG_ERROR_MEMORY */
ag_tensor *agx_npy_decode(const unsigned char *bytes, size_t size, size_t limit, const char *where,
                          ag_error *error);
/** The bytes that an array is: *size of them, in a block of that size (ag_release). NULL: out of memory. */
unsigned char *agx_npy_encode(const ag_tensor *x, size_t *size);

/** The low `n` bytes of `bits`, the lowest first. */
static inline void agx_store_little(unsigned char *bytes, uint64_t bits, size_t n) {
    for (size_t k = 0; k < n; k++, bits >>= 8) bytes[k] = (unsigned char)bits;
}
static inline uint64_t agx_load_little(const unsigned char *bytes, size_t n) {
    uint64_t bits = 0;
    while (n-- > 0) bits = bits << 8 | bytes[n];
    return bits;
}

/** CRC-32 as zip and gzip have it (reflected, polynomial 04C11DB7). */
uint32_t agx_crc32(const unsigned char *bytes, size_t n);

#endif
