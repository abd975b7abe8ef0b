/* base/thread.c - processor masks through sched.h; see thread.h. */
#define _GNU_SOURCE /* cpu_set_t, sched_getaffinity */
#include "base/thread.h"

#include "base/mem.h"

#include <sched.h>
#include <stddef.h>

/* The kernel refuses masks that are shorter than its own: from the usual 1024 processors
 * upwards until it agrees. */
enum { LEAST_BITS = 1024, MOST_BITS = 1 << 20 };

static size_t set_bytes(int bits)
{
    return CPU_ALLOC_SIZE((size_t)bits);
}

int cop_thread_processors(int *processors, int cap)
{
    int n = 0;
    for (int bits = LEAST_BITS; bits <= MOST_BITS && n == 0; bits *= 2) {
        cpu_set_t *set = cop_mem_array(1, set_bytes(bits));
        if (set == NULL) break;
        bool is_known = sched_getaffinity(0, set_bytes(bits), set) == 0;
        for (int i = 0; is_known && i < bits; i++) {
            if (!CPU_ISSET_S((size_t)i, set_bytes(bits), set)) continue;
            if (n < cap) processors[n] = i;
            n++;
        }
        cop_mem_free(set);
    }
    if (n > 0) return n;
    if (cap > 0) processors[0] = 0;
    return 1;
}

bool cop_thread_pin(const int *processors, int n)
{
    int bits = LEAST_BITS;
    for (int i = 0; i < n; i++) {
        while (processors[i] >= bits)
            bits *= 2;
    }
    cpu_set_t *set = cop_mem_array(1, set_bytes(bits));
    if (set == NULL) return false;
    for (int i = 0; i < n; i++)
        CPU_SET_S((size_t)processors[i], set_bytes(bits), set);
    bool is_pinned = sched_setaffinity(0, set_bytes(bits), set) == 0;
    cop_mem_free(set);
    return is_pinned;
}
