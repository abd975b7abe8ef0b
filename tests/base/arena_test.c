/* tests/base/arena_test.c */
#include "base_tests.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

enum { N_ITEMS = 3000 };

static int set_up(void **state)
{
    *state = cop_arena_create();
    return *state == NULL;
}

static int tear_down(void **state)
{
    cop_arena_destroy(*state);
    return 0;
}

/* Many sizes, each filled with its own byte: no two items may share memory. */
static void items_are_apart_aligned_and_zeroed(void **state)
{
    struct cop_arena *arena = *state;
    static unsigned char *items[N_ITEMS];
    static size_t sizes[N_ITEMS];
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    for (int i = 0; i < N_ITEMS; i++) {
        sizes[i] = (size_t)cop_rng_below(&rng, i % 100 == 0 ? 100000 : 200);
        items[i] = cop_arena_array(arena, sizes[i], 1);
        assert_non_null(items[i]);
        assert_int_equal((uintptr_t)items[i] % 16, 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(items[i][j], 0);
        memset(items[i], i % 251, sizes[i]);
    }
    for (int i = 0; i < N_ITEMS; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(items[i][j], i % 251);
    }
}

static void strings_are_copied(void **state)
{
    struct cop_arena *arena = *state;
    char word[] = "weights";
    char *copy = cop_arena_strdup(arena, word);
    char *part = cop_arena_strndup(arena, word, 3);
    char *bytes = cop_arena_copy(arena, word, sizeof word);
    memset(word, 'x', sizeof word - 1);
    assert_string_equal(copy, "weights");
    assert_string_equal(part, "wei");
    assert_string_equal(bytes, "weights");
    assert_null(cop_arena_strdup(arena, NULL));
    assert_string_equal(cop_arena_strndup(arena, "", 0), "");
    assert_non_null(cop_arena_copy(arena, NULL, 0));
    assert_string_equal(cop_arena_printf(arena, "%s_%d", "conv", 12), "conv_12");
    char *longer = cop_arena_printf(arena, "%0*d", 70000, 1); /* beyond one chunk */
    assert_non_null(longer);
    assert_int_equal(strlen(longer), 70000);
}

/* ---- deferred releases -------------------------------------------------------------- */

struct order {
    char seen[16];
    int n;
};
struct entry {
    struct order *order;
    char name;
};

static void record(void *thing)
{
    const struct entry *entry = thing;
    entry->order->seen[entry->order->n++] = entry->name;
}

static void releases_run_backwards_once(void **state)
{
    (void)state;
    struct order order = {0};
    struct entry entries[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
    struct cop_arena *arena = cop_arena_create();
    assert_non_null(arena);
    assert_int_equal(cop_arena_defer(arena, record, &entries[0]), COP_OK);
    struct cop_arena_mark mark = cop_arena_mark(arena);
    assert_int_equal(cop_arena_defer(arena, record, &entries[1]), COP_OK);
    assert_int_equal(cop_arena_defer(arena, record, &entries[2]), COP_OK);
    cop_arena_reset(arena, mark);
    assert_string_equal(order.seen, "cb");
    cop_arena_reset(arena, mark);
    assert_string_equal(order.seen, "cb");
    assert_int_equal(cop_arena_defer(arena, record, &entries[2]), COP_OK);
    cop_arena_destroy(arena);
    assert_string_equal(order.seen, "cbca");
    cop_arena_destroy(NULL);
}

/* An entry may live in the arena that releases it. */
static void a_release_may_read_arena_memory(void **state)
{
    (void)state;
    struct order order = {0};
    struct cop_arena *arena = cop_arena_create();
    assert_non_null(arena);
    for (int i = 0; i < 3; i++) {
        struct entry *entry = COP_ARENA_NEW(arena, struct entry);
        assert_non_null(entry);
        *entry = (struct entry){&order, (char)('a' + i)};
        assert_non_null(COP_ARENA_NEW_N(arena, 40000, char)); /* forces a new chunk */
        assert_int_equal(cop_arena_defer(arena, record, entry), COP_OK);
    }
    cop_arena_destroy(arena);
    assert_string_equal(order.seen, "cba");
}

static void reset_keeps_what_was_before(void **state)
{
    struct cop_arena *arena = *state;
    char *kept = cop_arena_strdup(arena, "kept");
    for (int round = 0; round < 50; round++) {
        struct cop_arena_mark outer = cop_arena_mark(arena);
        assert_non_null(cop_arena_array(arena, 20000, 1));
        struct cop_arena_mark inner = cop_arena_mark(arena);
        char *inside = cop_arena_array(arena, 50000, 1);
        assert_non_null(inside);
        memset(inside, 0x5a, 50000);
        cop_arena_reset(arena, inner);
        cop_arena_reset(arena, outer);
    }
    assert_string_equal(kept, "kept");
    char *again = cop_arena_array(arena, 100, 1); /* reused memory is zeroed again */
    assert_non_null(again);
    for (int i = 0; i < 100; i++)
        assert_int_equal(again[i], 0);
}

static void memory_may_give_out(void **state)
{
    struct cop_arena *arena = *state;
    struct order order = {0};
    struct entry entry = {&order, 'x'};
    assert_null(cop_arena_array(arena, SIZE_MAX / 2, 4));
    assert_null(cop_arena_array(arena, SIZE_MAX - 3, 1));
    cop_mem_fail_from(1);
    struct cop_arena *none = cop_arena_create();
    char *copy = cop_arena_strdup(arena, "x");
    char *text = cop_arena_printf(arena, "x");
    enum cop_status status = cop_arena_defer(arena, record, &entry);
    cop_mem_fail_from(0);
    assert_null(none);
    assert_null(copy);
    assert_null(text);
    assert_int_equal(status, COP_ENOMEM);
    assert_string_equal(order.seen, "x"); /* released at once */
}

static void red_zones_guard_items(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
    struct cop_arena *arena = *state;
    char *first = cop_arena_array(arena, 16, 1);
    struct cop_arena_mark mark = cop_arena_mark(arena);
    char *second = cop_arena_array(arena, 16, 1);
    assert_false(__asan_address_is_poisoned(first + 15));
    assert_true(__asan_address_is_poisoned(first + 16));
    assert_false(__asan_address_is_poisoned(second));
    cop_arena_reset(arena, mark);
    assert_true(__asan_address_is_poisoned(second));
    assert_false(__asan_address_is_poisoned(first));
#else
    (void)state;
    skip(); /* only under AddressSanitizer */
#endif
}

int run_arena_tests(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(items_are_apart_aligned_and_zeroed),
        CASE(strings_are_copied),
        CASE(releases_run_backwards_once),
        CASE(a_release_may_read_arena_memory),
        CASE(reset_keeps_what_was_before),
        CASE(memory_may_give_out),
        CASE(red_zones_guard_items),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
