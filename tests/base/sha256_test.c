/* tests/base/sha256_test.c - vectors of FIPS 180-4 and of NIST's example files. */
#include "base_tests.h"

#include "base/sha256.h"

#include <string.h>

/* The digest of @p bytes fed in parts of @p step. */
static void digest_of(const void *bytes, size_t n, size_t step, char hex[65])
{
    struct cop_sha256 sha;
    uint8_t digest[32];
    const char *from = bytes;
    cop_sha256_init(&sha);
    for (size_t at = 0; at < n; at += step)
        cop_sha256_add(&sha, from + at, n - at < step ? n - at : step);
    cop_sha256_add(&sha, NULL, 0);
    cop_sha256_finish(&sha, digest);
    cop_sha256_hex(digest, hex);
}

static void known_messages(void **state)
{
    (void)state;
    const char *cases[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
         "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[65];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        digest_of(cases[i][0], strlen(cases[i][0]), 1000, hex);
        assert_string_equal(hex, cases[i][1]);
    }
}

static void a_million_letters(void **state)
{
    (void)state;
    static char letters[1000000];
    char hex[65];
    memset(letters, 'a', sizeof letters);
    digest_of(letters, sizeof letters, 4099, hex);
    assert_string_equal(
        hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However the bytes are cut into parts, and at every length around the block size. */
static void parts_do_not_matter(void **state)
{
    (void)state;
    char bytes[200];
    char whole[65];
    char parts[65];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + 1);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        digest_of(bytes, n, sizeof bytes, whole);
        for (size_t step = 1; step < 130; step += 9) {
            digest_of(bytes, n, step, parts);
            assert_string_equal(parts, whole);
        }
    }
}

int run_sha256_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages),
        cmocka_unit_test(a_million_letters),
        cmocka_unit_test(parts_do_not_matter),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
