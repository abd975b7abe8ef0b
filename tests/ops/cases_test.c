/* tests/ops/cases_test.c - every case line through every check. */
#include "check.h"
#include "ops_tests.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static struct cop_engine *engine;

/** What a family adds up to. */
struct tally {
    int n_failed;
    int n_lines;
    int64_t n_checked[7];
};

static bool run_checks(struct check *check)
{
    return check_forward(check) && check_fold(check) && check_macs(check) &&
           check_backward(check) && check_prune(check) && check_relevance(check) &&
           check_file(check);
}

/* A line that compared nothing at all would pass for ever. */
static bool exercised(struct check *check)
{
    const int64_t n = check->n_forward + check->n_folded + check->n_read;
    const bool needs_gradient = check->line->has_grad && check_is_live(check) &&
                                check->call.dst[0].dtype == COP_F32;
    if (needs_gradient && check->n_gradient == 0)
        return check_fail(check, "no derivative was compared");
    return n > 0 || check_fail(check, "nothing was compared");
}

static bool run_line(struct check *check)
{
    case_draw(check->line, &check->rng, check->src);
    if (check->line->expect != NULL) {
        const enum cop_status status =
            case_build(check->line, check->src, false, &check->built, &check->err);
        if (status == COP_OK) return check_fail(check, "succeeds, should not");
        return strstr(check->err.text, check->line->expect) != NULL ||
               check_fail(check, "fails with '%s'", check->err.text);
    }
    check->call = case_call(check->line, check->src);
    if (!ref_run(&check->call))
        return check_fail(check, "the reference does not know it");
    if (!check_status(
            check,
            case_build(check->line, check->src, false, &check->built, &check->err),
            "build"))
        return false;
    return run_checks(check) && exercised(check);
}

static uint64_t seed_of_run(void)
{
    const char *const text = getenv("COPPICE_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 1;
}

static void visit(const struct case_line *line, void *context)
{
    struct tally *const tally = context;
    struct check check = {.line = line, .engine = engine};
    cop_rng_init(&check.rng, seed_of_run());
    if (!run_line(&check)) {
        tally->n_failed++;
        print_error("%s: %s\n    %s\n", line->place, line->text, check.text);
    }
    const int64_t n[7] = {
        check.n_forward,
        check.n_folded,
        check.n_gradient,
        check.n_macs,
        check.n_cut,
        check.n_read,
        check.n_relevance};
    for (int i = 0; i < 7; i++)
        tally->n_checked[i] += n[i];
    tally->n_lines++;
    ref_call_clear(&check.call);
    case_clear(check.src);
    cop_graph_destroy(check.built.graph);
}

static void test_family(void **state)
{
    const char *const family = *state;
    struct tally tally = {0};
    case_each(family, visit, &tally);
    print_message(
        "%s: %d lines, seed %llu; elements %lld, folded %lld, derivatives %lld, macs "
        "%lld, "
        "cuts %lld, read %lld, relevance %lld\n",
        family,
        tally.n_lines,
        (unsigned long long)seed_of_run(),
        (long long)tally.n_checked[0],
        (long long)tally.n_checked[1],
        (long long)tally.n_checked[2],
        (long long)tally.n_checked[3],
        (long long)tally.n_checked[4],
        (long long)tally.n_checked[5],
        (long long)tally.n_checked[6]);
    assert_int_not_equal(tally.n_lines, 0);
    assert_int_equal(tally.n_failed, 0);
}

static int open_engine(void **state)
{
    struct cop_err err;
    (void)state;
    return cop_engine_create(&engine, &err) == COP_OK ? 0 : -1;
}

static int close_engine(void **state)
{
    (void)state;
    cop_engine_destroy(engine);
    return 0;
}

int cases_tests(void)
{
    struct CMUnitTest tests[64];
    memset(tests, 0, sizeof tests);
    size_t n = 0;
    for (const char *const *family = case_families(); *family != NULL; family++)
        tests[n++] = (struct CMUnitTest){
            .name = *family,
            .test_func = test_family,
            .initial_state = (void *)(uintptr_t)*family};
    return _cmocka_run_group_tests("cases", tests, n, open_engine, close_engine);
}
