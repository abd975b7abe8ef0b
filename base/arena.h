/* base/arena.h - memory by lifetime: many small items, freed together.
 *
 * An arena owns everything allocated from it and runs deferred releases (files, handles)
 * in reverse order when it is reset or destroyed.  Not for two threads at once. */
#ifndef COP_BASE_ARENA_H
#define COP_BASE_ARENA_H

#include "base/err.h"

#include <stddef.h>

struct cop_arena;

/** A place to come back to; only valid until an earlier mark is reset. */
struct cop_arena_mark {
    void *chunk;
    size_t used;
    void *defers;
};

/** NULL when out of memory. */
struct cop_arena *cop_arena_create(void);
/** Runs the deferred releases, frees all.  Accepts NULL. */
void cop_arena_destroy(struct cop_arena *arena);

/** @p n zeroed elements of @p size bytes, aligned to 16; NULL when memory gives out. */
void *cop_arena_array(struct cop_arena *arena, size_t n, size_t size);
/** A copy of @p bytes bytes. */
void *cop_arena_copy(struct cop_arena *arena, const void *from, size_t bytes);
/** Copies of strings; NULL when memory gives out.  @p text NULL gives NULL. */
char *cop_arena_strdup(struct cop_arena *arena, const char *text);
char *cop_arena_strndup(struct cop_arena *arena, const char *text, size_t n);
char *cop_arena_printf(struct cop_arena *arena, const char *format, ...)
    COP_PRINTF(2, 3);

#define COP_ARENA_NEW(arena, type) ((type *)cop_arena_array((arena), 1, sizeof(type)))
#define COP_ARENA_NEW_N(arena, n, type)                                                \
    ((type *)cop_arena_array((arena), (size_t)(n), sizeof(type)))

/** Calls release(thing) when the arena is reset past here or destroyed.
 *  On COP_ENOMEM release has already been called. */
COP_NODISCARD enum cop_status cop_arena_defer(
    struct cop_arena *arena, void (*release)(void *), void *thing);

/** Everything allocated or deferred after the mark goes at cop_arena_reset. */
struct cop_arena_mark cop_arena_mark(const struct cop_arena *arena);
void cop_arena_reset(struct cop_arena *arena, struct cop_arena_mark mark);

#endif
