/* tests/base/file_test.c */
#include "base_tests.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[256];
    char path[300];
};

static struct place make_place(void)
{
    struct place place;
    (void)snprintf(
        place.path, sizeof place.path, "%s/model.onnx", test_make_dir(place.folder));
    return place;
}

static int count_entries(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static void assert_holds(const char *path, const char *want)
{
    struct cop_err err = {0};
    char *bytes;
    size_t n;
    assert_ok(cop_file_read(path, 100, &bytes, &n, &err));
    assert_int_equal(n, strlen(want));
    assert_string_equal(bytes, want); /* terminated */
    cop_mem_free(bytes);
}

static void a_file_is_old_or_new_never_half(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_write(file, "old", 3, &err));
    assert_false(cop_file_exists(place.path));
    assert_ok(cop_file_commit(file, &err));
    assert_holds(place.path, "old");

    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_write(file, "new", 3, &err));
    assert_ok(cop_file_write(file, "", 0, &err));
    assert_ok(cop_file_write(file, "er", 2, &err));
    assert_holds(place.path, "old");
    assert_ok(cop_file_commit(file, &err));
    assert_holds(place.path, "newer");

    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_write(file, "worse", 5, &err));
    cop_file_discard(file);
    cop_file_discard(NULL);
    assert_holds(place.path, "newer");
    assert_int_equal(count_entries(place.folder), 1); /* no parts are left */
    test_remove_dir(place.folder);
}

static void two_writers_do_not_mix(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *a;
    struct cop_file *b;
    assert_ok(cop_file_create(place.path, &a, &err));
    assert_ok(cop_file_create(place.path, &b, &err));
    assert_ok(cop_file_write(a, "aaa", 3, &err));
    assert_ok(cop_file_write(b, "b", 1, &err));
    assert_ok(cop_file_commit(b, &err));
    assert_ok(cop_file_commit(a, &err));
    assert_holds(place.path, "aaa");
    test_remove_dir(place.folder);
}

static void the_umask_is_respected(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    mode_t before = umask(027);
    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_commit(file, &err));
    (void)umask(before);
    struct stat info;
    assert_int_equal(stat(place.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    test_remove_dir(place.folder);
}

static void a_file_that_cannot_be_made_says_so(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    assert_fails(cop_file_create("/no/such/folder/x", &file, &err), COP_EIO);
    assert_non_null(strstr(err.text, "/no/such/folder/x"));
    char longer[6000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_fails(cop_file_create(longer, &file, &err), COP_EIO);
    assert_int_equal(mkdir(place.path, 0700), 0); /* the name is a folder by now */
    assert_ok(cop_file_create(place.path, &file, &err));
    assert_fails(cop_file_commit(file, &err), COP_EIO);
    assert_int_equal(count_entries(place.folder), 1);
    test_remove_dir(place.folder);
}

static void a_taken_part_name_is_passed_over(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    char part[400];
    (void)snprintf(part, sizeof part, "%s.%ld-0.part", place.path, (long)getpid());
    assert_int_equal(symlink("/dev/full", part), 0); /* taken: the next name is used */
    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_write(file, "x", 1, &err));
    assert_ok(cop_file_commit(file, &err));
    assert_holds(place.path, "x");
    test_remove_dir(place.folder);
}

static void reading_is_bounded(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    char *bytes;
    size_t n;
    assert_fails(cop_file_read(place.path, 9, &bytes, &n, &err), COP_ENOTFOUND);
    assert_fails(cop_file_read(place.folder, 9, &bytes, &n, &err), COP_EIO);
    assert_fails(cop_file_read("/dev/zero", 9, &bytes, &n, &err), COP_EIO);
    assert_ok(cop_file_create(place.path, &file, &err));
    assert_ok(cop_file_write(file, "0123456789", 10, &err));
    assert_ok(cop_file_commit(file, &err));
    assert_ok(cop_file_read(place.path, 10, &bytes, &n, &err));
    cop_mem_free(bytes);
    assert_fails(cop_file_read(place.path, 9, &bytes, &n, &err), COP_EFORMAT);
    assert_null(bytes);
    assert_int_equal(truncate(place.path, (off_t)1 << 40), 0); /* a hole of 1 TiB */
    assert_fails(cop_file_read(place.path, 1 << 20, &bytes, &n, &err), COP_EFORMAT);
    assert_int_equal(truncate(place.path, 0), 0);
    assert_ok(cop_file_read(place.path, 0, &bytes, &n, &err));
    assert_int_equal(n, 0);
    assert_string_equal(bytes, "");
    cop_mem_free(bytes);
    assert_int_equal(unlink(place.path), 0);
    assert_int_equal(mkfifo(place.path, 0600), 0);
    assert_fails(cop_file_read(place.path, 9, &bytes, &n, &err), COP_EIO);
    test_remove_dir(place.folder);
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    struct place place = make_place();
    assert_true(cop_file_is_dir(place.folder));
    assert_true(cop_file_exists(place.folder));
    assert_false(cop_file_is_dir(place.path));
    assert_false(cop_file_exists(place.path));
    test_remove_dir(place.folder);
}

static void memory_may_give_out(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct place place = make_place();
    struct cop_file *file;
    char *bytes = NULL;
    size_t n;
    cop_mem_fail_from(1);
    enum cop_status created = cop_file_create(place.path, &file, &err);
    enum cop_status read = cop_file_read("/etc/passwd", 1 << 20, &bytes, &n, &err);
    cop_mem_fail_from(0);
    assert_int_equal(created, COP_ENOMEM);
    assert_null(file);
    assert_int_equal(read, COP_ENOMEM);
    assert_null(bytes);
    assert_int_equal(count_entries(place.folder), 0);
    test_remove_dir(place.folder);
}

int run_file_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_old_or_new_never_half),
        cmocka_unit_test(two_writers_do_not_mix),
        cmocka_unit_test(the_umask_is_respected),
        cmocka_unit_test(a_file_that_cannot_be_made_says_so),
        cmocka_unit_test(a_taken_part_name_is_passed_over),
        cmocka_unit_test(reading_is_bounded),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(memory_may_give_out),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
