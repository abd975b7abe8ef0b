/* base/mem.c - heap calls; see mem.h.  The countdown of injected failures is the one
 * piece of hidden state in Coppice; it is zero, and never written, outside tests. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 1 << 21 };

static atomic_llong fail_countdown; /* 0: never fail */

void cop_mem_fail_from(int64_t n)
{
    atomic_store(&fail_countdown, (long long)n);
}

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0) return false;
    long long left = atomic_load(&fail_countdown);
    if (left > 1) {
        (void)atomic_fetch_sub(&fail_countdown, 1);
        return false;
    }
    return true;
}

/* Large blocks are touched from end to end: in huge pages that faults and looks up addresses
 * five hundred times less often.  Where the system has none nothing changes. */
static void prefer_huge_pages(void *block, size_t bytes)
{
    uintptr_t first = ((uintptr_t)block + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uintptr_t last = ((uintptr_t)block + bytes) / HUGE_PAGE * HUGE_PAGE;
    if (block == NULL || first >= last) return;
    (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
}

void *cop_mem_array(size_t n, size_t size)
{
    size_t bytes;
    if (cop_mul_overflow(n, size, &bytes) || must_fail()) return NULL;
    void *block = calloc(bytes != 0 ? bytes : 1, 1);
    prefer_huge_pages(block, bytes);
    return block;
}

void *cop_mem_grow(void *old, size_t old_n, size_t n, size_t size)
{
    size_t bytes;
    if (cop_mul_overflow(n, size, &bytes) || must_fail()) return NULL;
    char *grown = realloc(old, bytes != 0 ? bytes : 1);
    if (grown != NULL && n > old_n) memset(grown + old_n * size, 0, (n - old_n) * size);
    return grown;
}

void *cop_mem_aligned(size_t bytes)
{
    size_t padded;
    if (cop_add_overflow(bytes, 63, &padded) || must_fail()) return NULL;
    padded = padded / 64 * 64;
    if (padded == 0) padded = 64;
    void *block = aligned_alloc(64, padded);
    prefer_huge_pages(block, padded);
    if (block != NULL) memset(block, 0, padded);
    return block;
}

void cop_mem_free(void *block)
{
    free(block);
}
