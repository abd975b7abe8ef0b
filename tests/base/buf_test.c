/* tests/base/buf_test.c */
#include "base_tests.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_buffer_is_aligned_and_counted(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *buf;
    assert_ok(cop_buf_create(100, &buf, &err));
    assert_int_equal((uintptr_t)cop_buf_data(buf) % 64, 0);
    assert_int_equal(cop_buf_bytes(buf), 100);
    assert_false(cop_buf_is_shared(buf));
    memset(cop_buf_mutable(buf), 7, 100);
    assert_ptr_equal(cop_buf_retain(buf), buf);
    assert_true(cop_buf_is_shared(buf));
    cop_buf_release(buf);
    assert_false(cop_buf_is_shared(buf));
    assert_int_equal(((const char *)cop_buf_data(buf))[99], 7);
    cop_buf_release(buf);
    cop_buf_release(NULL);
}

static void a_view_keeps_its_whole_alive(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *whole;
    struct cop_buf *view;
    struct cop_buf *inner;
    assert_ok(cop_buf_create(64, &whole, &err));
    char *bytes = cop_buf_mutable(whole);
    for (int i = 0; i < 64; i++)
        bytes[i] = (char)i;
    assert_ok(cop_buf_view(whole, 10, 20, &view, &err));
    assert_true(cop_buf_is_shared(whole));
    cop_buf_release(whole);
    assert_ok(cop_buf_view(view, 5, 3, &inner, &err)); /* a view of a view */
    cop_buf_release(view);
    assert_int_equal(cop_buf_bytes(inner), 3);
    assert_int_equal(((const char *)cop_buf_data(inner))[0], 15);
    cop_buf_release(inner);
}

static void a_view_must_be_inside(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *whole;
    struct cop_buf *view;
    assert_ok(cop_buf_create(10, &whole, &err));
    assert_fails(cop_buf_view(whole, 0, 11, &view, &err), COP_EINVAL);
    assert_fails(cop_buf_view(whole, 11, 0, &view, &err), COP_EINVAL);
    assert_fails(cop_buf_view(whole, 5, SIZE_MAX, &view, &err), COP_EINVAL);
    assert_ok(cop_buf_view(whole, 10, 0, &view, &err));
    cop_buf_release(view);
    cop_buf_release(whole);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    struct cop_err err = {0};
    struct cop_file *file;
    assert_ok(cop_file_create(path, &file, &err));
    assert_ok(cop_file_write(file, bytes, n, &err));
    assert_ok(cop_file_commit(file, &err));
}

static void a_mapped_file_outlives_its_name(void **state)
{
    (void)state;
    struct cop_err err = {0};
    char folder[256];
    char path[300];
    struct cop_buf *buf;
    struct cop_buf *view;
    (void)snprintf(path, sizeof path, "%s/bytes", test_make_dir(folder));
    write_file(path, "0123456789", 10);
    assert_ok(cop_buf_map(path, &buf, &err));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cop_buf_bytes(buf), 10);
    assert_ok(cop_buf_view(buf, 3, 4, &view, &err)); /* of any alignment */
    cop_buf_release(buf);
    assert_memory_equal(cop_buf_data(view), "3456", 4);
    cop_buf_release(view);
    write_file(path, "", 0);
    assert_ok(cop_buf_map(path, &buf, &err));
    assert_int_equal(cop_buf_bytes(buf), 0);
    cop_buf_release(buf);
    test_remove_dir(folder);
}

/* Pages of files in this process's memory. */
static long resident_file_pages(void)
{
    long size = 0;
    long resident = 0;
    long shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld %ld", &size, &resident, &shared), 3);
    (void)fclose(file);
    return shared;
}

static void forgotten_bytes_come_back(void **state)
{
    enum { PAGES = 512, PAGE = 4096, BYTES = PAGES * PAGE };
    (void)state;
    struct cop_err err = {0};
    char folder[256];
    char path[300];
    struct cop_buf *whole;
    struct cop_buf *view;
    char *bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (char)(i % 251);
    (void)snprintf(path, sizeof path, "%s/bytes", test_make_dir(folder));
    write_file(path, bytes, BYTES);
    assert_ok(cop_buf_map(path, &whole, &err));
    assert_ok(cop_buf_view(whole, 100, BYTES - 200, &view, &err));
    assert_memory_equal(cop_buf_data(whole), bytes, BYTES);
    long before = resident_file_pages();
    cop_buf_forget(view);
    assert_true(resident_file_pages() < before - PAGES / 2);
    assert_memory_equal(cop_buf_data(whole), bytes, BYTES);
    before = resident_file_pages();
    cop_buf_forget_part(view, BYTES / 2, BYTES / 4);
    const long gone = before - resident_file_pages(); /* more where pages are huge */
    assert_true(gone >= PAGES / 8);
    assert_memory_equal(cop_buf_data(whole), bytes, BYTES);
    cop_buf_release(view);
    cop_buf_release(whole);
    assert_ok(cop_buf_create(64, &whole, &err));
    cop_buf_forget(whole); /* nothing to come back from */
    assert_int_equal(((const char *)cop_buf_data(whole))[63], 0);
    cop_buf_release(whole);
    free(bytes);
    test_remove_dir(folder);
}

static void what_is_spilled_keeps_its_bytes_and_can_be_forgotten(void **state)
{
    (void)state;
    enum { BYTES = 64 * 4096 };
    struct cop_err err = {0};
    struct cop_buf *buf;
    assert_ok(cop_buf_create(BYTES, &buf, &err));
    unsigned char *own = cop_buf_mutable(buf);
    for (int i = 0; i < BYTES; i++)
        own[i] = (unsigned char)(i % 251);
    cop_buf_spill(&buf);
    assert_int_equal(cop_buf_bytes(buf), BYTES);
    const unsigned char *bytes = cop_buf_data(buf);
    for (int i = 0; i < BYTES; i++)
        assert_int_equal(bytes[i], i % 251);
    long before = resident_file_pages();
    cop_buf_forget(buf);
    assert_true(resident_file_pages() < before);
    assert_int_equal(bytes[BYTES - 1], (BYTES - 1) % 251);
    cop_buf_release(buf);
    /* Nowhere to write: it stays where it is. */
    const char *folder = getenv("TMPDIR");
    char *kept = folder != NULL ? strdup(folder) : NULL;
    assert_int_equal(setenv("TMPDIR", "/nowhere", 1), 0);
    assert_ok(cop_buf_create(64, &buf, &err));
    struct cop_buf *same = buf;
    cop_buf_spill(&buf);
    assert_ptr_equal(buf, same);
    cop_buf_release(buf);
    assert_int_equal(kept != NULL ? setenv("TMPDIR", kept, 1) : unsetenv("TMPDIR"), 0);
    free(kept);
}

static void what_is_no_file_is_not_mapped(void **state)
{
    (void)state;
    struct cop_err err = {0};
    char folder[256];
    char path[300];
    struct cop_buf *buf;
    (void)snprintf(path, sizeof path, "%s/pipe", test_make_dir(folder));
    assert_fails(cop_buf_map(path, &buf, &err), COP_ENOTFOUND);
    assert_fails(cop_buf_map(folder, &buf, &err), COP_EIO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(cop_buf_map(path, &buf, &err), COP_EIO); /* and does not wait */
    test_remove_dir(folder);
}

static void a_forked_process_writes_into_a_common_buffer(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *buf;
    const size_t bytes = (size_t)1 << 32; /* takes what is written only */
    int how = 0;
    assert_ok(cop_buf_create_common(bytes, &buf, &err));
    pid_t child = fork();
    if (child == 0) {
        ((char *)cop_buf_mutable(buf))[bytes - 1] = 'c';
        _exit(0);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(((const char *)cop_buf_data(buf))[bytes - 1], 'c');
    assert_int_equal(((const char *)cop_buf_data(buf))[0], 0);
    cop_buf_release(buf);
}

static void an_arena_releases_a_buffer(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_arena *arena = cop_arena_create();
    struct cop_buf *buf;
    assert_non_null(arena);
    assert_ok(cop_buf_create(8, &buf, &err));
    assert_int_equal(
        cop_arena_defer(arena, cop_buf_release_any, cop_buf_retain(buf)), COP_OK);
    assert_true(cop_buf_is_shared(buf));
    cop_arena_destroy(arena);
    assert_false(cop_buf_is_shared(buf));
    cop_buf_release(buf);
}

static void memory_may_give_out(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *buf = NULL;
    assert_fails(cop_buf_create(SIZE_MAX - 10, &buf, &err), COP_ENOMEM);
    for (int i = 1; i <= 2; i++) {
        cop_mem_fail_from(i);
        enum cop_status status = cop_buf_create(8, &buf, &err);
        cop_mem_fail_from(0);
        assert_int_equal(status, COP_ENOMEM);
        assert_null(buf);
    }
    struct cop_buf *whole;
    assert_ok(cop_buf_create(8, &whole, &err));
    cop_mem_fail_from(1);
    enum cop_status viewed = cop_buf_view(whole, 0, 8, &buf, &err);
    enum cop_status mapped = cop_buf_map("/proc/self/exe", &buf, &err);
    cop_mem_fail_from(0);
    assert_int_equal(viewed, COP_ENOMEM);
    assert_int_equal(mapped, COP_ENOMEM);
    assert_false(cop_buf_is_shared(whole));
    cop_buf_release(whole);
}

int run_buf_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_aligned_and_counted),
        cmocka_unit_test(a_view_keeps_its_whole_alive),
        cmocka_unit_test(a_view_must_be_inside),
        cmocka_unit_test(a_mapped_file_outlives_its_name),
        cmocka_unit_test(forgotten_bytes_come_back),
        cmocka_unit_test(what_is_spilled_keeps_its_bytes_and_can_be_forgotten),
        cmocka_unit_test(what_is_no_file_is_not_mapped),
        cmocka_unit_test(a_forked_process_writes_into_a_common_buffer),
        cmocka_unit_test(an_arena_releases_a_buffer),
        cmocka_unit_test(memory_may_give_out),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
