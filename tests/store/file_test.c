/* tests/store/file_test.c - transactions, two programs at once, files that are not ours. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t count_models(struct fixture *f, struct cop_store *store)
{
    struct cop_err err = {0};
    struct cop_model_row *rows;
    int32_t n;
    assert_ok(cop_store_list_models(store, f->arena, &rows, &n, &err));
    return n;
}

/* ---- transactions ------------------------------------------------------------------- */

static void a_rolled_back_transaction_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    char before[COP_HASH_HEX];
    char after[COP_HASH_HEX];
    int64_t length;
    assert_ok(cop_store_audit_root(f->store, before, &length, &err));
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_int_equal(count_models(f, f->store), 2);
    cop_store_rollback(f->store);
    cop_store_rollback(f->store); /* nothing is open: nothing happens */
    assert_int_equal(count_models(f, f->store), 0);
    assert_ok(cop_store_audit_root(f->store, after, &length, &err));
    assert_int_equal(length, 0);
    assert_string_equal(before, after);
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store_commit(f->store, &err));
    assert_int_equal(count_models(f, f->store), 2);
    assert_ok(cop_store_verify(f->store, &err));
}

static void a_refused_put_leaves_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    struct cop_model_row twice = rows.model;
    assert_fails(cop_store_put_model(f->store, &twice, &err), COP_EINVAL);
    struct cop_run_row run;
    assert_fails(
        cop_store_open_run(f->store, 99, "{}", f->arena, &run, &err), COP_EINVAL);
    assert_ok(cop_store_commit(f->store, &err));
    assert_int_equal(count_models(f, f->store), 2);
    assert_ok(cop_store_verify(f->store, &err));
}

static void transactions_are_not_nested(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    assert_fails(cop_store_commit(f->store, &err), COP_EINVAL);
    assert_ok(cop_store_begin(f->store, &err));
    assert_fails(cop_store_begin(f->store, &err), COP_EINVAL);
    assert_ok(cop_store_commit(f->store, &err));
}

/* As when the disk fills up: SQLite has undone everything on its own. */
static void a_transaction_lost_meanwhile_is_not_continued(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store__exec(f->store->db, "ROLLBACK", "lose", &err));
    assert_fails(fill_project(f->store, f->arena, &rows, &err), COP_ESTORE);
    assert_fails(cop_store_commit(f->store, &err), COP_ESTORE);
    assert_int_equal(count_models(f, f->store), 0);
    assert_ok(fill_project(f->store, f->arena, &rows, &err)); /* usable again */
    assert_ok(cop_store_verify(f->store, &err));
}

static void closing_undoes_an_open_transaction(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    cop_store_close(f->store);
    assert_ok(cop_store_open(f->path, &f->store, &err));
    assert_int_equal(count_models(f, f->store), 0);
    cop_store_close(NULL);
}

static void a_full_file_undoes_the_step(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    static char bytes[2 << 20];
    char name[COP_HASH_HEX];
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store__exec(f->store->db, "PRAGMA max_page_count = 60", "cap", &err));
    assert_fails(
        cop_store_put_blob(f->store, bytes, sizeof bytes, name, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "full"));
    assert_ok(cop_store_verify(f->store, &err));
    assert_int_equal(count_models(f, f->store), 2);
}

/* ---- two programs at once ----------------------------------------------------------- */

static void a_reader_sees_the_state_before(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    struct cop_store *reader;
    assert_ok(cop_store_open(f->path, &reader, &err));
    assert_ok(cop_store_begin(f->store, &err));
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_int_equal(count_models(f, reader), 0);
    assert_ok(cop_store_verify(reader, &err));
    assert_ok(cop_store_commit(f->store, &err));
    assert_int_equal(count_models(f, reader), 2);
    assert_ok(cop_store_verify(reader, &err));
    cop_store_close(reader);
}

static void two_writers_take_turns_on_one_chain(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *other;
    char name[COP_HASH_HEX];
    assert_ok(cop_store_open(f->path, &other, &err));
    for (int i = 0; i < 20; i++)
        assert_ok(cop_store_put_blob(
            i % 2 == 0 ? f->store : other, &i, sizeof i, name, &err));
    char root[2][COP_HASH_HEX];
    int64_t length[2];
    assert_ok(cop_store_audit_root(f->store, root[0], &length[0], &err));
    assert_ok(cop_store_audit_root(other, root[1], &length[1], &err));
    assert_string_equal(root[0], root[1]);
    assert_int_equal(length[1], 20);
    assert_ok(cop_store_verify(other, &err));
    cop_store_close(other);
}

static void a_writer_that_waits_in_vain_says_so(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *other;
    char name[COP_HASH_HEX];
    assert_ok(cop_store_open(f->path, &other, &err));
    (void)sqlite3_busy_timeout(other->db, 20);
    assert_ok(cop_store_begin(f->store, &err));
    assert_fails(cop_store_put_blob(other, "x", 1, name, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "in use by another program"));
    assert_ok(cop_store_commit(f->store, &err));
    assert_ok(cop_store_put_blob(other, "x", 1, name, &err));
    cop_store_close(other);
}

/* This one waits as long as a user would: five seconds. */
static void a_locked_file_says_so(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *other;
    cop_store_close(f->store);
    f->store = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_ok(cop_store__exec(
        db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", "lock", &err));
    assert_fails(cop_store_open(f->path, &other, &err), COP_ESTORE);
    assert_null(other);
    assert_non_null(strstr(err.text, "in use by another program"));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_ok(cop_store_open(f->path, &f->store, &err));
}

/* ---- files that are not ours -------------------------------------------------------- */

/* Without cop_file_commit: that waits for the disk. */
static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void assert_not_opened(const char *path, const char *because)
{
    struct cop_err err = {0};
    struct cop_store *store;
    assert_fails(cop_store_open(path, &store, &err), COP_ESTORE);
    assert_null(store);
    assert_non_null(strstr(err.text, path));
    if (strstr(err.text, because) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, because);
}

static void names_are_checked(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *store;
    char path[400];
    assert_fails(cop_store_create(f->path, &store, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "already exists"));
    (void)snprintf(path, sizeof path, "%s/none", f->folder);
    assert_fails(cop_store_open(path, &store, &err), COP_ENOTFOUND);
    assert_false(cop_file_exists(path));
    assert_not_opened(f->folder, "folder");
    (void)snprintf(path, sizeof path, "%s/none/x", f->folder);
    assert_fails(cop_store_create(path, &store, &err), COP_ESTORE);
}

static void what_is_no_project_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    char path[400];
    (void)snprintf(path, sizeof path, "%s/other", f->folder);
    write_bytes(path, "", 0);
    assert_not_opened(path, "not a Coppice project file");
    write_bytes(path, "hello, this is text", 19);
    assert_not_opened(path, "not a Coppice project file");
    char zeros[5000] = {0};
    write_bytes(path, zeros, sizeof zeros);
    assert_not_opened(path, "not a Coppice project file");
    assert_int_equal(unlink(path), 0);

    sqlite3 *db; /* another program's database */
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_ok(
        cop_store__exec(db, "CREATE TABLE t(x); PRAGMA user_version=1", "x", &err));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    char *before;
    char *after;
    size_t n_before;
    size_t n_after;
    assert_ok(cop_file_read(path, 1 << 20, &before, &n_before, &err));
    assert_not_opened(path, "not a Coppice project file");
    assert_ok(cop_file_read(path, 1 << 20, &after, &n_after, &err));
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    cop_mem_free(before);
    cop_mem_free(after);

    /* one that pretends to be ours */
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_ok(cop_store__exec(db, "PRAGMA application_id = 0x434f5050", "x", &err));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_not_opened(path, "migration");
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    assert_ok(cop_store__exec(f->store->db, "PRAGMA user_version = 99", "x", &err));
    cop_store_close(f->store);
    f->store = NULL;
    assert_not_opened(f->path, "schema 99");
}

/* Cut at many lengths and with bits flipped, a project never does worse than fail. */
static void try_file(struct fixture *f, const char *path, int *n_failed)
{
    struct cop_err err = {0};
    struct cop_store *store = NULL;
    struct cop_model_row *models;
    int32_t n;
    enum cop_status status = cop_store_open(path, &store, &err);
    if (status == COP_OK)
        status = cop_store_list_models(store, f->arena, &models, &n, &err);
    if (status == COP_OK) status = cop_store_verify(store, &err);
    cop_store_close(store);
    if (status == COP_OK) return;
    assert_int_equal(status, COP_ESTORE);
    assert_true(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
    ++*n_failed;
}

static void damaged_files_fail_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    char path[400];
    char *bytes;
    size_t n;
    int n_failed = 0;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    cop_store_close(f->store);
    f->store = NULL;
    assert_ok(cop_file_read(f->path, 64 << 20, &bytes, &n, &err));
    (void)snprintf(path, sizeof path, "%s/damaged", f->folder);
    int n_cuts = 0;
    for (size_t cut = 1; cut < n; cut += n / 29) {
        write_bytes(path, bytes, n - cut);
        try_file(f, path, &n_failed);
        n_cuts++;
    }
    /* the missing last byte is read as 0, which it may have been */
    assert_true(n_failed >= n_cuts - 1);
    const uint64_t seed = 20;
    print_message("seed %d\n", (int)seed);
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    for (int round = 0; round < 150; round++) {
        size_t at[16];
        char was[16];
        for (int i = 0; i < 16; i++) {
            at[i] = (size_t)cop_rng_below(&rng, (int64_t)n);
            was[i] = bytes[at[i]];
            bytes[at[i]] = (char)(was[i] ^ (1 << cop_rng_below(&rng, 8)));
        }
        write_bytes(path, bytes, n);
        try_file(f, path, &n_failed);
        for (int i = 16; i-- > 0;)
            bytes[at[i]] = was[i];
    }
    print_message("%d of %d damaged files failed\n", n_failed, n_cuts + 150);
    cop_mem_free(bytes);
}

static void a_folder_without_permission_says_so(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *store;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/new", f->folder);
    cop_store_close(f->store);
    f->store = NULL;
    assert_int_equal(chmod(f->path, 0444), 0);
    assert_int_equal(chmod(f->folder, 0555), 0);
    uid_t self = geteuid();
    if (self == 0) assert_int_equal(seteuid(65534), 0); /* root may do anything */
    enum cop_status opened = cop_store_open(f->path, &store, &err);
    struct cop_err second = {0};
    enum cop_status created = cop_store_create(path, &store, &second);
    if (self == 0) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(opened, COP_ESTORE);
    assert_non_null(strstr(err.text, "cannot be written"));
    assert_int_equal(created, COP_ESTORE);
    assert_non_null(strstr(second.text, "cannot create"));
}

int run_file_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_rolled_back_transaction_leaves_nothing),
        STORE_TEST(a_refused_put_leaves_the_transaction),
        STORE_TEST(transactions_are_not_nested),
        STORE_TEST(a_transaction_lost_meanwhile_is_not_continued),
        STORE_TEST(closing_undoes_an_open_transaction),
        STORE_TEST(a_full_file_undoes_the_step),
        STORE_TEST(a_reader_sees_the_state_before),
        STORE_TEST(two_writers_take_turns_on_one_chain),
        STORE_TEST(a_writer_that_waits_in_vain_says_so),
        STORE_TEST(a_locked_file_says_so),
        STORE_TEST(names_are_checked),
        STORE_TEST(what_is_no_project_is_left_alone),
        STORE_TEST(a_newer_schema_is_refused),
        STORE_TEST(damaged_files_fail_in_one_line),
        STORE_TEST(a_folder_without_permission_says_so),
    };
    return cmocka_run_group_tests_name("store file", tests, NULL, NULL);
}
