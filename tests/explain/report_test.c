/* tests/explain/report_test.c - the page: well formed, complete, repeatable, harmless. */
#include "explain/report.h"

#include "base/file.h"
#include "base/mem.h"
#include "demo.h"
#include "explain_tests.h"
#include "html_check.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PAGE = 32 << 20 };

/* Writes the report and reads it back; free with cop_mem_free. */
static char *write_report(
    struct demo *demo, const char *name, const struct cop_report_options *options)
{
    struct cop_err err;
    char path[320];
    char *page = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/report.html", demo->dir);
    assert_ok(cop_report_write(demo->store, name, path, options, &err));
    assert_ok(cop_file_read(path, MAX_PAGE, &page, &n, &err));
    return page;
}

static int count(const char *page, const char *what)
{
    int n = 0;
    for (const char *at = page; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void assert_says(const char *page, const char *what)
{
    if (!strstr(page, what)) fail_msg("the page does not say '%s'", what);
}

static void a_variant_is_reported(void **state)
{
    (void)state;
    struct demo demo;
    test_demo_open(&demo);
    test_demo_add_variant(&demo, "V1");
    const struct cop_report_options options = {.dataset = demo.dataset};
    char *page = write_report(&demo, "V1", &options);
    test_html_check(page);
    assert_says(page, "<title>V1 against faces");
    assert_says(page, "1.79\xc3\x97 faster"); /* 1.9 / (1.9 * 0.56) */
    assert_says(page, "44\xc2\xa0% smaller");
    assert_says(page, "n = 240");
    assert_says(page, "at most <b>60\xc2\xa0%</b> of the original");
    assert_says(
        page, "0.400 ms instead of 1.90 ms; the largest part of what remains is fc.");
    assert_says(page, "<b>&lt;script&gt;alert(1)&lt;/script&gt;</b>"); /* hit most */
    assert_says(page, "more than chance explains, also when all classes");
    assert_says(page, "rejected: loses &lt;too&gt; much");
    assert_says(page, "layer1.conv&lt;1&gt;");
    assert_says(page, "24</td><td class=\"num\">16</td>");
    assert_says(page, "8 removed");
    assert_says(page, "accepted by accuracy on</th><td>val</td>");
    assert_says(page, "lost by the variant");
    assert_says(page, "Test &lt;CPU&gt;");
    assert_says(page, "0123456789abcdef0123456789abcdef");
    assert_says(page, "n = 240, data set test"); /* unseen goes before newest */
    assert_says(page, "test</th><td>no; used on this page</td>");
    assert_says(page, "val</th><td>yes</td>");
    assert_says(page, "Audit root");
    assert_int_equal(count(page, "<article class=\"case\">"), 10);
    /* a photograph and two maps per case */
    assert_int_equal(count(page, "data:image/png;base64,"), 30);
    cop_mem_free(page);
    test_demo_close(&demo);
}

static void the_same_store_gives_the_same_bytes(void **state)
{
    (void)state;
    struct demo demo;
    test_demo_open(&demo);
    test_demo_add_variant(&demo, "V1");
    const struct cop_report_options options = {
        .dataset = demo.dataset, .max_samples = 4};
    char *first = write_report(&demo, "V1", &options);
    char *second = write_report(&demo, "V1", &options);
    assert_int_equal(count(first, "<article class=\"case\">"), 4);
    assert_string_equal(first, second);
    cop_mem_free(first);
    cop_mem_free(second);
    test_demo_close(&demo);
}

static void pictures_may_be_missing(void **state)
{
    (void)state;
    struct demo demo;
    test_demo_open(&demo);
    test_demo_add_variant(&demo, "V1");
    char *page = write_report(&demo, "V1", NULL);
    test_html_check(page);
    assert_says(page, "The pictures themselves could not be opened");
    cop_mem_free(page);
    test_demo_close(&demo);
}

static void an_original_is_reported_alone(void **state)
{
    (void)state;
    struct demo demo;
    test_demo_open(&demo);
    char *page = write_report(&demo, "faces", NULL);
    test_html_check(page);
    assert_says(page, "nothing to compare");
    assert_says(page, "938.3 kB");
    cop_mem_free(page);
    test_demo_close(&demo);
}

/* A variant of which nothing but its existence is known. */
static void what_is_not_measured_is_said(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    char sha[COP_HASH_HEX];
    test_demo_open(&demo);
    assert_ok(cop_store_put_blob(demo.store, "x", 1, sha, &err));
    struct cop_model_row row = {
        .name = "bare",
        .parent_id = demo.original_id,
        .graph_sha = sha,
        .source = "",
        .origin_json = "",
        .created_us = 1,
    };
    assert_ok(cop_store_put_model(demo.store, &row, &err));
    char *page = write_report(&demo, "bare", NULL);
    test_html_check(page);
    assert_says(page, "no timing is stored");
    assert_says(page, "no labelled evaluation is stored");
    assert_says(page, "No cuts are on record");
    assert_true(count(page, "not measured") + count(page, "Not measured") > 8);
    cop_mem_free(page);
    test_demo_close(&demo);
}

static void hostile_names_stay_text(void **state)
{
    (void)state;
    struct demo demo;
    const char *name = "\"><img src=x onerror=alert(1)><script>alert('V')</script>";
    test_demo_open(&demo);
    test_demo_add_variant(&demo, name);
    const struct cop_report_options options = {.dataset = demo.dataset};
    char *page = write_report(&demo, name, &options);
    test_html_check(page);
    assert_says(page, "&lt;script&gt;alert(&#39;V&#39;)&lt;/script&gt;");
    cop_mem_free(page);
    test_demo_close(&demo);
}

static void unknown_models_and_bad_paths_fail(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    test_demo_open(&demo);
    assert_fails(
        cop_report_write(demo.store, "nobody", "/nowhere/x.html", NULL, &err),
        COP_ENOTFOUND);
    assert_fails(
        cop_report_write(demo.store, "faces", "/nowhere/x.html", NULL, &err), COP_EIO);
    test_demo_close(&demo);
}

/* Whatever allocation fails: the status says so, nothing leaks, no file is left. */
static void memory_may_give_out(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    char path[320];
    enum cop_status status = COP_ENOMEM;
    int n_failed = 0;
    test_demo_open(&demo);
    test_demo_add_variant(&demo, "V1");
    const struct cop_report_options options = {
        .dataset = demo.dataset, .max_samples = 2};
    snprintf(path, sizeof path, "%s/oom.html", demo.dir);
    for (int64_t n = 1; status != COP_OK && n < 100000; n += 1 + n / 12) {
        assert_false(cop_file_exists(path));
        cop_mem_fail_from(n);
        status = cop_report_write(demo.store, "V1", path, &options, &err);
        cop_mem_fail_from(0);
        if (status != COP_OK && status != COP_ENOMEM)
            fail_msg("allocation %d: %s", (int)n, err.text);
        n_failed += status != COP_OK;
    }
    assert_int_equal(status, COP_OK);
    assert_true(n_failed > 20);
    test_demo_close(&demo);
}

int test_report(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variant_is_reported),
        cmocka_unit_test(the_same_store_gives_the_same_bytes),
        cmocka_unit_test(pictures_may_be_missing),
        cmocka_unit_test(an_original_is_reported_alone),
        cmocka_unit_test(what_is_not_measured_is_said),
        cmocka_unit_test(hostile_names_stay_text),
        cmocka_unit_test(unknown_models_and_bad_paths_fail),
        cmocka_unit_test(memory_may_give_out),
    };
    return cmocka_run_group_tests_name("explain: report", tests, NULL, NULL);
}
