/* tests/store/blob_test.c - bytes by content: sizes around the chunks, sharing, damage. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/rng.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

static char *random_bytes(size_t n, uint64_t seed)
{
    struct cop_rng rng;
    char *bytes = malloc(n + 8);
    assert_non_null(bytes);
    cop_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = cop_rng_u64(&rng);
        memcpy(bytes + i, &x, 8);
    }
    return bytes;
}

static int64_t query(struct cop_store *store, const char *sql)
{
    struct cop_err err = {0};
    int64_t result = -1;
    assert_ok(cop_store__query_int(store->db, sql, &result, &err));
    return result;
}

static void sizes_around_the_chunk_come_back(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const size_t sizes[] = {0, 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB};
    const int64_t n_chunks[] = {0, 1, 1, 1, 2, 3};
    char names[6][COP_HASH_HEX];
    int64_t have = 0;
    for (size_t i = 0; i < 6; i++) {
        char *bytes = random_bytes(sizes[i], i);
        assert_ok(cop_store_put_blob(f->store, bytes, sizes[i], names[i], &err));
        free(bytes);
        int64_t now = query(f->store, "SELECT count(*) FROM chunk");
        assert_int_equal(now - have, n_chunks[i]);
        have = now;
    }
    assert_string_equal(
        names[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ok(cop_store_verify(f->store, &err));
    cop_store_close(f->store);
    assert_ok(cop_store_open(f->path, &f->store, &err));
    for (size_t i = 0; i < 6; i++) {
        struct cop_buf *buf;
        char *bytes = random_bytes(sizes[i], i);
        assert_ok(cop_store_get_blob(f->store, names[i], &buf, &err));
        assert_int_equal(cop_buf_bytes(buf), sizes[i]);
        if (sizes[i] > 0) assert_memory_equal(cop_buf_data(buf), bytes, sizes[i]);
        cop_buf_release(buf);
        free(bytes);
    }
}

static void equal_bytes_are_stored_once(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    char first[COP_HASH_HEX];
    char second[COP_HASH_HEX];
    char *bytes = random_bytes(5 * MIB, 1);
    assert_ok(cop_store_put_blob(f->store, bytes, 5 * MIB, first, &err));
    int64_t length;
    char root[COP_HASH_HEX];
    assert_ok(cop_store_audit_root(f->store, root, &length, &err));
    assert_int_equal(length, 1);
    assert_ok(cop_store_put_blob(f->store, bytes, 5 * MIB, second, &err));
    assert_string_equal(first, second);
    assert_ok(cop_store_audit_root(f->store, root, &length, &err));
    assert_int_equal(length, 1);
    assert_int_equal(query(f->store, "SELECT count(*) FROM blob"), 1);
    assert_int_equal(query(f->store, "SELECT count(*) FROM chunk"), 2);
    bytes[0] ^= 1;
    assert_ok(cop_store_put_blob(f->store, bytes, 5 * MIB, second, &err));
    assert_string_not_equal(first, second);
    free(bytes);
}

static void an_unknown_name_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_buf *buf;
    assert_fails(cop_store_get_blob(f->store, "", &buf, &err), COP_ENOTFOUND);
    assert_fails(cop_store_get_blob(f->store, "' OR 1", &buf, &err), COP_ENOTFOUND);
    assert_null(buf);
}

/* Every way to spoil a blob of three chunks. */
static void damage_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const char *damages[] = {
        "UPDATE chunk SET bytes = CAST('x' || substr(bytes, 2) AS BLOB)"
        " WHERE number = 1",
        "UPDATE chunk SET bytes = substr(bytes, 2) WHERE number = 2",
        "UPDATE chunk SET bytes = CAST(bytes || 'x' AS BLOB) WHERE number = 2",
        "UPDATE chunk SET number = 7 WHERE number = 1",
        "UPDATE chunk SET number = 1 - number WHERE number = -1 OR number = 2",
        "DELETE FROM chunk WHERE number = 0",
        "DELETE FROM chunk WHERE number = 2",
        "UPDATE blob SET bytes = 9000000000000000000",
        "UPDATE blob SET bytes = 1",
    };
    char name[COP_HASH_HEX];
    char *bytes = random_bytes(9 * MIB, 3);
    assert_ok(cop_store_put_blob(f->store, bytes, 9 * MIB, name, &err));
    free(bytes);
    assert_ok(cop_store__exec(
        f->store->db,
        "DROP TRIGGER chunk_is_not_updated; DROP TRIGGER chunk_is_not_deleted;"
        "DROP TRIGGER blob_is_not_updated; PRAGMA ignore_check_constraints = ON",
        "drop",
        &err));
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct cop_buf *buf;
        assert_ok(cop_store_begin(f->store, &err));
        assert_ok(cop_store__exec(f->store->db, damages[i], "damage", &err));
        assert_true(sqlite3_changes(f->store->db) > 0);
        assert_fails(cop_store_get_blob(f->store, name, &buf, &err), COP_ESTORE);
        assert_null(buf);
        assert_fails(cop_store_verify(f->store, &err), COP_ESTORE);
        cop_store_rollback(f->store);
    }
    struct cop_buf *buf;
    assert_ok(cop_store_get_blob(f->store, name, &buf, &err));
    cop_buf_release(buf);
}

int run_blob_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(sizes_around_the_chunk_come_back),
        STORE_TEST(equal_bytes_are_stored_once),
        STORE_TEST(an_unknown_name_is_not_found),
        STORE_TEST(damage_is_noticed),
    };
    return cmocka_run_group_tests_name("store blobs", tests, NULL, NULL);
}
