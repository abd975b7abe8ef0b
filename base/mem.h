/* base/mem.h - the only door to the heap, and arithmetic on sizes that cannot wrap.
 *
 * Everything outside base/ allocates through here or through an arena.  All memory
 * comes back zeroed.  A test build can make the n-th allocation fail. */
#ifndef COP_BASE_MEM_H
#define COP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** True, with *result unset, when a * b does not fit. */
static inline bool cop_mul_overflow(size_t a, size_t b, size_t *result)
{
    return __builtin_mul_overflow(a, b, result);
}
static inline bool cop_add_overflow(size_t a, size_t b, size_t *result)
{
    return __builtin_add_overflow(a, b, result);
}

/** @p n zeroed elements of @p size bytes; NULL when memory or the product gives out.
 *  Never NULL for n == 0.  Free with cop_mem_free. */
void *cop_mem_array(size_t n, size_t size);

/** Grows an array from cop_mem_array to @p n elements, the new ones zeroed.
 *  On failure NULL and @p old is untouched. */
void *cop_mem_grow(void *old, size_t old_n, size_t n, size_t size);

/** 64-byte aligned zeroed block, for tensors; free with cop_mem_free. */
void *cop_mem_aligned(size_t bytes);

/** Accepts NULL. */
void cop_mem_free(void *block);

/** Makes the @p n-th allocation from now (1 = next) and all later ones fail; 0 = never.
 *  For tests of out-of-memory paths only; not for threads. */
void cop_mem_fail_from(int64_t n);

#endif
