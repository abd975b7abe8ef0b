/* tests/synth/generate_test.c - the generator predicts what a cut really leaves. */
#include "synth_tests.h"

#include "base/rng.h"
#include "support/test.h"
#include "synth/generate.h"
#include "synth/inquire.h"

#include <math.h>

struct fixture {
    struct cop_graph *graph;
    struct cop_engine *engine;
    struct cop_groups *groups;
    struct cop_arena *arena;
    struct cop_tables *tables;
    int32_t n;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct cop_err err;
    f = (struct fixture){.graph = small_net(7), .arena = cop_arena_create()};
    assert_ok(cop_engine_create(&f.engine, &err));
    assert_ok(cop_groups_find(f.graph, &f.groups, &err));
    const struct cop_plan_options plan = {.mb = 1, .threads = 1};
    struct cop_tables_options options = {.plan = &plan};
    const struct cop_score_ground ground = {0};
    assert_ok(cop_score_all(
        f.groups, COP_SCORE_MAGNITUDE, &ground, NULL, f.arena, &options.orders, &err));
    assert_ok(
        cop_tables_make(f.engine, f.groups, &options, NULL, f.arena, &f.tables, &err));
    f.n = cop_tables_n_options(f.tables);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cop_groups_destroy(f->groups);
    cop_engine_destroy(f->engine);
    cop_graph_destroy(f->graph);
    cop_arena_destroy(f->arena);
    return 0;
}

static void options_descend(void **state)
{
    const struct fixture *f = *state;
    assert_true(f->n >= 4); /* stem = conv2, conv1, left, right */
    for (int32_t o = 0; o < f->n; o++) {
        const struct cop_cut_option *option = cop_tables_option(f->tables, o);
        assert_int_equal(option->widths[0], option->group->n_channels);
        for (int32_t w = 1; w < option->n_widths; w++) {
            assert_true(option->widths[w] < option->widths[w - 1]);
            assert_true(option->widths[w] >= 1);
            assert_true(option->errors[w] >= option->errors[w - 1]);
        }
        assert_int_equal(option->widths[option->n_widths - 1] % option->step, 0);
        int32_t whole = cop_cut_option_next(option, 0);
        assert_int_equal(option->widths[whole] % option->step, 0);
        assert_in_range(option->widths[0] - option->widths[whole], 1, option->step);
    }
}

/* The strong check: predicted MACs and parameters are those of the graph really cut. */
static void prediction_counts_exactly(void **state)
{
    const struct fixture *f = *state;
    struct cop_err err;
    struct cop_rng rng;
    cop_rng_init(&rng, 11);
    int32_t *choice = COP_ARENA_NEW_N(f->arena, f->n, int32_t);
    assert_non_null(choice);
    for (int trial = 0; trial < 20; trial++) {
        for (int32_t o = 0; o < f->n; o++)
            choice[o] =
                (int32_t)cop_rng_below(&rng, cop_tables_option(f->tables, o)->n_widths);
        struct cop_prediction prediction;
        cop_tables_predict(f->tables, choice, &prediction);
        struct cop_cut cut;
        struct cop_graph *small = NULL;
        int64_t macs = 0;
        assert_ok(cop_tables_cut(f->tables, choice, f->arena, &cut, &err));
        assert_ok(cop_cut_apply(f->groups, &cut, &small, &err));
        assert_ok(cop_graph_macs(small, &macs, &err));
        assert_true(fabs(prediction.macs - (double)macs) < 0.5);
        double params = (double)cop_graph_n_params(small);
        assert_true(fabs(prediction.params - params) < 0.5);
        assert_true(prediction.ms > 0.0);
        cop_graph_destroy(small);
    }
}

static void budgets_are_kept(void **state)
{
    const struct fixture *f = *state;
    int32_t *choice = COP_ARENA_NEW_N(f->arena, f->n, int32_t);
    double *coefficients = COP_ARENA_NEW_N(f->arena, f->n, double);
    assert_non_null(choice);
    assert_non_null(coefficients);
    struct cop_prediction full;
    cop_tables_predict(f->tables, choice, &full);
    for (int32_t o = 0; o < f->n; o++)
        coefficients[o] = 1.0;
    for (double share = 0.9; share > 0.25; share -= 0.1) {
        const struct cop_budget budget = {.macs = share * full.macs};
        assert_true(cop_generate(f->tables, coefficients, &budget, choice));
        struct cop_prediction got;
        cop_tables_predict(f->tables, choice, &got);
        assert_true(got.macs <= budget.macs);
        assert_true(got.macs > 0.9 * budget.macs); /* what is over is given back */
    }
    for (double share = 0.9; share > 0.45; share -= 0.1) {
        const struct cop_budget budget = {.ms = share * full.ms};
        if (!cop_generate(f->tables, coefficients, &budget, choice)) continue;
        for (int32_t o = 0; o < f->n; o++) {
            const struct cop_cut_option *option = cop_tables_option(f->tables, o);
            int64_t width = option->widths[choice[o]]; /* time goes by whole steps */
            assert_true(choice[o] == 0 || width % option->step == 0);
        }
    }
    const struct cop_budget nothing = {.params = 1.0};
    assert_false(cop_generate(f->tables, coefficients, &nothing, choice));
}

static void costly_groups_are_spared(void **state)
{
    const struct fixture *f = *state;
    int32_t *choice = COP_ARENA_NEW_N(f->arena, f->n, int32_t);
    double *coefficients = COP_ARENA_NEW_N(f->arena, f->n, double);
    double *observed = COP_ARENA_NEW_N(f->arena, f->n, double);
    assert_non_null(observed);
    struct cop_prediction full;
    cop_tables_predict(f->tables, choice, &full);
    const struct cop_budget budget = {.macs = 0.6 * full.macs};
    for (int32_t o = 0; o < f->n; o++)
        coefficients[o] = 1.0;
    assert_true(cop_generate(f->tables, coefficients, &budget, choice));
    int32_t cut_most = 0;
    for (int32_t o = 0; o < f->n; o++) {
        const struct cop_cut_option *option = cop_tables_option(f->tables, o);
        observed[o] = option->errors[choice[o]];
        if (choice[o] > choice[cut_most]) cut_most = o;
    }
    assert_true(choice[cut_most] > 0);
    int64_t width = cop_tables_option(f->tables, cut_most)->widths[choice[cut_most]];
    observed[cut_most] *= 1000.0; /* it hurt a thousand times more than predicted */
    for (int round = 0; round < 6; round++)
        cop_adjust(f->tables, choice, observed, 1.0, coefficients);
    assert_true(cop_generate(f->tables, coefficients, &budget, choice));
    assert_true(
        cop_tables_option(f->tables, cut_most)->widths[choice[cut_most]] > width);
}

int test_generate(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_descend),
        cmocka_unit_test(prediction_counts_exactly),
        cmocka_unit_test(budgets_are_kept),
        cmocka_unit_test(costly_groups_are_spared),
    };
    return cmocka_run_group_tests_name("generate", tests, set_up, tear_down);
}
