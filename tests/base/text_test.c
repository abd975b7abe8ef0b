/* tests/base/text_test.c */
#include "base_tests.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void text_grows(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_text text;
    cop_text_init(&text, 1 << 20);
    assert_string_equal(text.bytes, "");
    char want[20001] = "";
    size_t n = 0;
    for (int i = 0; i < 2000; i++) {
        cop_text_puts(&text, "abc");
        cop_text_printf(&text, "%04d", i);
        cop_text_add(&text, "xyz!", 3);
        memcpy(want + n, "abc", 3);
        (void)snprintf(want + n + 3, 5, "%04d", i);
        memcpy(want + n + 7, "xyz", 3);
        n += 10;
    }
    assert_ok(cop_text_status(&text, &err));
    assert_int_equal(text.n, n);
    assert_string_equal(text.bytes, want);
    cop_text_clear(&text);
    cop_text_clear(&text);
}

static void the_cap_is_exact_and_remembered(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_text text;
    cop_text_init(&text, 10);
    cop_text_puts(&text, "0123456789");
    assert_ok(cop_text_status(&text, &err));
    cop_text_puts(&text, "");
    cop_text_printf(&text, "%s", "");
    assert_ok(cop_text_status(&text, &err));
    cop_text_puts(&text, "x");
    assert_fails(cop_text_status(&text, &err), COP_EINVAL);
    assert_string_equal(text.bytes, "0123456789");
    cop_text_clear(&text);
    cop_text_init(&text, 10);
    cop_text_printf(&text, "%011d", 1);
    cop_text_puts(&text, "y"); /* would fit, but the first failure stays */
    assert_fails(cop_text_status(&text, &err), COP_EINVAL);
    assert_string_equal(text.bytes, "");
    cop_text_clear(&text);
    cop_text_init(&text, SIZE_MAX);
    cop_text_add(&text, "a", 1);
    cop_text_base64(&text, "", SIZE_MAX); /* its length would wrap */
    assert_fails(cop_text_status(&text, &err), COP_EINVAL);
    cop_text_clear(&text);
}

/* RFC 4648, section 10. */
static void base64_is_standard(void **state)
{
    (void)state;
    struct cop_err err = {0};
    const char *cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_text text;
        cop_text_init(&text, 100);
        cop_text_base64(&text, cases[i][0], strlen(cases[i][0]));
        assert_ok(cop_text_status(&text, &err));
        assert_string_equal(text.bytes, cases[i][1]);
        assert_int_equal(text.n, strlen(cases[i][1]));
        cop_text_clear(&text);
    }
}

static void memory_may_give_out(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_text text;
    cop_mem_fail_from(1);
    cop_text_init(&text, 100);
    cop_mem_fail_from(0);
    cop_text_puts(&text, "x");
    assert_fails(cop_text_status(&text, &err), COP_ENOMEM);
    cop_text_clear(&text);
    cop_text_init(&text, 1 << 20);
    cop_text_puts(&text, "kept");
    cop_mem_fail_from(1);
    cop_text_printf(&text, "%05000d", 1);
    cop_mem_fail_from(0);
    cop_text_puts(&text, "x");
    assert_fails(cop_text_status(&text, &err), COP_ENOMEM);
    assert_string_equal(text.bytes, "kept");
    cop_text_clear(&text);
}

int run_text_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(the_cap_is_exact_and_remembered),
        cmocka_unit_test(base64_is_standard),
        cmocka_unit_test(memory_may_give_out),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
