/* base/arena.c - chunked bump allocation with deferred releases; see arena.h.
 * Under AddressSanitizer unused space is poisoned and items have red zones between. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define RED_ZONE 16u
#define POISON(at, n) ASAN_POISON_MEMORY_REGION((at), (n))
#define UNPOISON(at, n) ASAN_UNPOISON_MEMORY_REGION((at), (n))
#else
#define RED_ZONE 0u
#define POISON(at, n) ((void)(at), (void)(n))
#define UNPOISON(at, n) ((void)(at), (void)(n))
#endif

enum { ALIGN = 16, CHUNK_BYTES = 32 * 1024 };

struct chunk {
    struct chunk *below;
    size_t size; /* of data */
    size_t used;
    _Alignas(16) unsigned char data[];
};

struct defer {
    struct defer *below;
    void (*release)(void *);
    void *thing;
};

struct cop_arena {
    struct chunk *top;
    struct defer *defers;
};

struct cop_arena *cop_arena_create(void)
{
    return cop_mem_array(1, sizeof(struct cop_arena));
}

static void free_chunk(struct chunk *chunk)
{
    UNPOISON(chunk->data, chunk->size);
    cop_mem_free(chunk);
}

void cop_arena_destroy(struct cop_arena *arena)
{
    if (arena == NULL) return;
    cop_arena_reset(arena, (struct cop_arena_mark){0});
    cop_mem_free(arena);
}

static struct chunk *push_chunk(struct cop_arena *arena, size_t at_least)
{
    size_t size = at_least > CHUNK_BYTES ? at_least : CHUNK_BYTES;
    size_t bytes;
    if (cop_add_overflow(size, sizeof(struct chunk), &bytes)) return NULL;
    struct chunk *chunk = cop_mem_array(1, bytes);
    if (chunk == NULL) return NULL;
    chunk->below = arena->top;
    chunk->size = size;
    POISON(chunk->data, size);
    arena->top = chunk;
    return chunk;
}

void *cop_arena_array(struct cop_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    size_t padded;
    if (cop_mul_overflow(n, size, &bytes)) return NULL;
    if (cop_add_overflow(bytes, ALIGN - 1 + RED_ZONE, &padded)) return NULL;
    padded = padded / ALIGN * ALIGN;
    if (padded == 0) padded = ALIGN;
    struct chunk *chunk = arena->top;
    if (chunk == NULL || chunk->size - chunk->used < padded) {
        chunk = push_chunk(arena, padded);
        if (chunk == NULL) return NULL;
    }
    void *item = chunk->data + chunk->used;
    chunk->used += padded;
    UNPOISON(item, bytes);
    memset(item, 0, bytes);
    return item;
}

void *cop_arena_copy(struct cop_arena *arena, const void *from, size_t bytes)
{
    void *copy = cop_arena_array(arena, bytes, 1);
    if (copy != NULL && bytes != 0) memcpy(copy, from, bytes);
    return copy;
}

char *cop_arena_strdup(struct cop_arena *arena, const char *text)
{
    return text == NULL ? NULL : cop_arena_strndup(arena, text, strlen(text));
}

char *cop_arena_strndup(struct cop_arena *arena, const char *text, size_t n)
{
    char *copy = cop_arena_array(arena, n + 1, 1);
    if (copy != NULL && n != 0) memcpy(copy, text, n);
    return copy;
}

char *cop_arena_printf(struct cop_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) return NULL;
    char *text = cop_arena_array(arena, (size_t)n + 1, 1);
    if (text == NULL) return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

enum cop_status cop_arena_defer(
    struct cop_arena *arena, void (*release)(void *), void *thing)
{
    struct defer *defer = cop_arena_array(arena, 1, sizeof *defer);
    if (defer == NULL) {
        release(thing);
        return COP_ENOMEM;
    }
    *defer = (struct defer){.below = arena->defers, .release = release, .thing = thing};
    arena->defers = defer;
    return COP_OK;
}

struct cop_arena_mark cop_arena_mark(const struct cop_arena *arena)
{
    return (struct cop_arena_mark){
        .chunk = arena->top,
        .used = arena->top != NULL ? arena->top->used : 0,
        .defers = arena->defers,
    };
}

void cop_arena_reset(struct cop_arena *arena, struct cop_arena_mark mark)
{
    while (arena->defers != mark.defers) {
        struct defer *defer = arena->defers;
        arena->defers = defer->below;
        defer->release(defer->thing);
    }
    while (arena->top != mark.chunk) {
        struct chunk *chunk = arena->top;
        arena->top = chunk->below;
        free_chunk(chunk);
    }
    if (arena->top != NULL) {
        arena->top->used = mark.used;
        POISON(arena->top->data + mark.used, arena->top->size - mark.used);
    }
}
