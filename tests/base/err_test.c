/* tests/base/err_test.c */
#include "base_tests.h"

#include "base/progress.h"

#include <stdio.h>
#include <string.h>

static enum cop_status fail_with(const char *text, struct cop_err *err)
{
    return COP_FAIL(err, COP_ESHAPE, "axis %d of '%s'", 3, text);
}

static void a_failure_names_thing_and_place(void **state)
{
    (void)state;
    struct cop_err err = {0};
    assert_int_equal(fail_with("x", &err), COP_ESHAPE);
    assert_int_equal(err.status, COP_ESHAPE);
    assert_string_equal(err.text, "axis 3 of 'x'");
    assert_non_null(strstr(err.file, "err_test.c"));
    assert_true(err.line > 0);
    cop_err_in(&err, "node '%s'", "conv1");
    assert_string_equal(err.text, "node 'conv1': axis 3 of 'x'");
    assert_int_equal(err.status, COP_ESHAPE);
}

static void null_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(fail_with("x", NULL), COP_ESHAPE);
    cop_err_in(NULL, "anywhere");
}

static void text_stays_one_line_and_inside(void **state)
{
    (void)state;
    struct cop_err err = {0};
    assert_int_equal(fail_with("a\nb\r\tc\x7f", &err), COP_ESHAPE);
    assert_string_equal(err.text, "axis 3 of 'a?b??c?'");
    char longer[1000];
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(fail_with(longer, &err), COP_ESHAPE);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    cop_err_in(&err, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    cop_err_in(&err, "line\nbreak");
    assert_null(strchr(err.text, '\n'));
}

static void every_status_has_its_text(void **state)
{
    (void)state;
    assert_string_equal(cop_status_text(COP_OK), "ok");
    assert_string_equal(cop_status_text(COP_EINTR), "interrupted");
    for (int i = COP_OK; i <= COP_EINTR; i++) {
        assert_string_not_equal(cop_status_text((enum cop_status)i), "unknown status");
        for (int j = COP_OK; j < i; j++)
            assert_string_not_equal(
                cop_status_text((enum cop_status)i),
                cop_status_text((enum cop_status)j));
    }
    assert_string_equal(cop_status_text((enum cop_status)77), "unknown status");
}

/* ---- progress ----------------------------------------------------------------------- */

struct heard {
    char what[32];
    int64_t done;
    int64_t total;
    char note[64];
    int stop;
};

static void hear_step(void *context, const char *what, int64_t done, int64_t total)
{
    struct heard *heard = context;
    (void)snprintf(heard->what, sizeof heard->what, "%s", what);
    heard->done = done;
    heard->total = total;
}

static void hear_note(void *context, const char *line)
{
    struct heard *heard = context;
    (void)snprintf(heard->note, sizeof heard->note, "%s", line);
}

static int ask_stop(void *context)
{
    const struct heard *heard = context;
    return heard->stop;
}

static void progress_is_told_and_asked(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct heard heard = {0};
    const struct cop_progress progress = {
        .context = &heard, .step = hear_step, .note = hear_note, .stop = ask_stop};
    cop_progress_step(&progress, "scoring", 3, 10);
    assert_string_equal(heard.what, "scoring");
    assert_int_equal(heard.done, 3);
    assert_int_equal(heard.total, 10);
    cop_progress_note(&progress, "%d groups", 4);
    assert_string_equal(heard.note, "4 groups");
    assert_ok(cop_progress_check(&progress, &err));
    heard.stop = 1;
    assert_fails(cop_progress_check(&progress, &err), COP_EINTR);
    assert_string_equal(err.text, "interrupted");
}

static void silence_is_allowed(void **state)
{
    (void)state;
    struct cop_err err = {0};
    const struct cop_progress silent = {0};
    cop_progress_step(NULL, "x", 0, 0);
    cop_progress_note(NULL, "x");
    assert_ok(cop_progress_check(NULL, &err));
    cop_progress_step(&silent, "x", 0, 0);
    cop_progress_note(&silent, "x");
    assert_ok(cop_progress_check(&silent, &err));
}

int run_err_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_names_thing_and_place),
        cmocka_unit_test(null_is_allowed),
        cmocka_unit_test(text_stays_one_line_and_inside),
        cmocka_unit_test(every_status_has_its_text),
        cmocka_unit_test(progress_is_told_and_asked),
        cmocka_unit_test(silence_is_allowed),
    };
    return cmocka_run_group_tests_name("err, progress", tests, NULL, NULL);
}
