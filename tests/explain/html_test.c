/* tests/explain/html_test.c - text and numbers on the page. */
#include "explain/html.h"

#include "explain_tests.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

static void assert_shown(const char *string, const char *want)
{
    struct cop_text text;
    cop_text_init(&text, 1 << 16);
    cop_html_text(&text, string);
    assert_string_equal(text.bytes ? text.bytes : "", want);
    cop_text_clear(&text);
}

static void markup_becomes_text(void **state)
{
    (void)state;
    assert_shown("a<b>&\"'c", "a&lt;b&gt;&amp;&quot;&#39;c");
    assert_shown("</td><script>", "&lt;/td&gt;&lt;script&gt;");
    assert_shown("tab\there\x01", "tab here ");
    assert_shown(
        "Stra\xc3\x9f"
        "e \xe7\x8c\xab \xf0\x9f\x90\x88",
        "Stra\xc3\x9f"
        "e \xe7\x8c\xab \xf0\x9f\x90\x88");
    assert_shown(NULL, "");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    assert_shown("a\xff", "a\xef\xbf\xbd");
    assert_shown("\xc3", "\xef\xbf\xbd");                 /* cut short */
    assert_shown("\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong < */
    assert_shown(
        "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
    assert_shown("\xf5\x80", "\xef\xbf\xbd\xef\xbf\xbd");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct cop_text text;
    cop_text_init(&text, 1 << 16);
    cop_html_short(&text, "a\xe7\x8c\xab\xe7\x8c\xab", 3);
    assert_string_equal(text.bytes, "a\xe7\x8c\xab\xe2\x80\xa6");
    cop_text_clear(&text);
}

static void numbers_are_readable(void **state)
{
    (void)state;
    char t[COP_HTML_NUMBER];
    assert_string_equal(cop_html_count(0, t), "0");
    assert_string_equal(cop_html_count(999, t), "999");
    assert_string_equal(cop_html_count(1234567, t), "1,234,567");
    assert_string_equal(
        cop_html_count(-1000, t),
        "\xe2\x88\x92"
        "1,000");
    assert_string_equal(cop_html_fixed(-0.04, 1, t), "0.0");
    assert_string_equal(
        cop_html_fixed(-0.06, 1, t),
        "\xe2\x88\x92"
        "0.1");
    assert_string_equal(cop_html_fixed(NAN, 1, t), "n/a");
    assert_string_equal(cop_html_signed(1.25, 1, t), "+1.2");
    assert_string_equal(cop_html_signed(-0.001, 2, t), "0.00");
    assert_string_equal(cop_html_bytes(999, t), "999 B");
    assert_string_equal(cop_html_bytes(12345, t), "12.3 kB");
    assert_string_equal(cop_html_bytes(1240000, t), "1.24 MB");
    assert_string_equal(cop_html_large(125500000, t), "126 million");
    assert_string_equal(cop_html_large(4100000000, t), "4.10 billion");
    assert_string_equal(cop_html_ms(0.1834, t), "0.183");
    assert_string_equal(cop_html_ms(1.834, t), "1.83");
    assert_string_equal(cop_html_ms(183.4, t), "183");
    assert_string_equal(cop_html_p(0.0001, t), "less than 0.001");
    assert_string_equal(cop_html_time(1795241040000000, t), "2026-11-21 06:04 UTC");
    assert_string_equal(cop_html_time(0, t), "unknown time");
}

static void records_become_rows(void **state)
{
    (void)state;
    struct cop_text text;
    cop_text_init(&text, 1 << 16);
    cop_html_json_rows(
        &text,
        "{\"a\":1.5,\"b\":{\"c<\":[1,2,3,4]},\"d\":true,\"e\":\"<x>\",\"f\":[]}",
        3);
    assert_string_equal(
        text.bytes,
        "<tr><th scope=\"row\">a</th><td>1.5</td></tr>\n"
        "<tr><th scope=\"row\">b.c&lt;</th><td>1, 2, 3 and 1 more</td></tr>\n"
        "<tr><th scope=\"row\">d</th><td>yes</td></tr>\n"
        "<tr><th scope=\"row\">e</th><td>&lt;x&gt;</td></tr>\n"
        "<tr><th scope=\"row\">f</th><td>none</td></tr>\n");
    cop_text_clear(&text);
    cop_text_init(&text, 1 << 16);
    cop_html_json_rows(&text, "no json <b>", 3);
    assert_non_null(strstr(text.bytes, "no json &lt;b&gt;"));
    cop_text_clear(&text);
}

int test_html(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_text),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(numbers_are_readable),
        cmocka_unit_test(records_become_rows),
    };
    return cmocka_run_group_tests_name("explain: html", tests, NULL, NULL);
}
