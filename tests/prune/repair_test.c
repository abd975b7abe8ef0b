/* tests/prune/repair_test.c - repair by least squares on made-up channel data, where
 * every output can be worked out by hand. */
#include "prune_tests.h"
#include "toy.h"
#include "toy_data.h"

#include "prune/repair.h"

#include <math.h>

static const uint64_t seed = 20262;
enum { WIDTH = 6, OUTPUTS = 4 };

/* x -> a (6 channels, whose data are made up) -> b, cut and repaired. */
struct trial {
    struct cop_graph *graph;
    struct cop_groups *groups;
    struct cop_value *b;
    struct toy_data data;
};

static void begin(struct trial *trial, bool has_bias, struct cop_rng *rng)
{
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    trial->graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(trial->graph, "a", x, WIDTH);
    trial->b = has_bias ? toy_add_mix(trial->graph, "b", a, OUTPUTS)
                        : toy_add_bare(trial->graph, "b", a, OUTPUTS);
    assert_ok(cop_graph_mark_output(trial->graph, trial->b, &err));
    assert_ok(cop_groups_find(trial->graph, &trial->groups, &err));
    toy_data_fill(&trial->data, WIDTH, rng);
}

static void end(struct trial *trial)
{
    cop_groups_destroy(trial->groups);
    cop_graph_destroy(trial->graph);
}

/* The output of node b of @p graph for one row of data, of which keep[c] stay. */
static double output(
    const struct cop_graph *graph, const double *row, const uint8_t *keep, int64_t o)
{
    const struct cop_node *b = cop_graph_find_node(graph, "b");
    const float *w = cop_buf_data(b->src[1]->data);
    int64_t n = b->src[1]->shape.dim[1];
    double y = 0.0;
    int64_t at = 0;
    for (int64_t c = 0; c < WIDTH; c++) {
        if (keep[c]) y += (double)w[o * n + at++] * row[c];
    }
    assert_int_equal(at, n);
    if (b->n_src > 2) y += (double)cop_f32_at(cop_buf_data(b->src[2]->data), o);
    return y;
}

/* Mean squared error of b after the cut, with or without repair. */
static double error_of(
    struct trial *trial, const uint8_t *keep, double ridge, bool is_repaired)
{
    struct cop_err err = {0};
    const uint8_t all[WIDTH] = {1, 1, 1, 1, 1, 1};
    const uint8_t *keeps[3] = {NULL, keep, NULL};
    const struct cop_cut cut = {.keep = keeps};
    const struct cop_repair_options options = {.ridge = ridge};
    toy_data_measure(&trial->data, cop_graph_find_node(trial->graph, "a")->dst[0]);
    struct cop_graph *small = NULL;
    if (is_repaired)
        assert_ok(cop_repair_consumers(
            trial->groups, &cut, &trial->data.calibration, &options, &small, &err));
    else
        assert_ok(cop_cut_apply(trial->groups, &cut, &small, &err));
    double error = 0.0;
    for (int r = 0; r < TOY_ROWS; r++) {
        for (int64_t o = 0; o < OUTPUTS; o++) {
            double change = output(small, trial->data.x[r], keep, o) -
                            output(trial->graph, trial->data.x[r], all, o);
            error += change * change / (TOY_ROWS * OUTPUTS);
        }
    }
    cop_graph_destroy(small);
    return error;
}

/* A removed channel that is a combination of kept ones and a constant comes back. */
static void test_duplicates_are_recovered(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    struct trial trial;
    begin(&trial, true, &rng);
    for (int r = 0; r < TOY_ROWS; r++) {
        double *x = trial.data.x[r];
        x[2] = 2.0 * x[0] - 0.5 * x[1] + 3.0;
        x[5] = -x[4] + 0.25 * x[0] - 1.0;
    }
    const uint8_t keep[WIDTH] = {1, 1, 0, 1, 1, 0};
    assert_true(error_of(&trial, keep, 1e-12, false) > 0.1);
    assert_true(error_of(&trial, keep, 1e-12, true) < 1e-9);
    end(&trial);
}

/* Without a place for a bias the fit goes through the origin. */
static void test_without_bias(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    struct trial trial;
    begin(&trial, false, &rng);
    for (int r = 0; r < TOY_ROWS; r++)
        trial.data.x[r][2] = 2.0 * trial.data.x[r][0] - 0.5 * trial.data.x[r][1];
    const uint8_t keep[WIDTH] = {1, 1, 0, 1, 1, 1};
    assert_true(error_of(&trial, keep, 1e-12, false) > 0.1);
    assert_true(error_of(&trial, keep, 1e-12, true) < 1e-9);
    end(&trial);
}

/* Least squares cannot be worse than leaving the channels out, nor than it was with more
 * of them kept. */
static void test_repair_never_hurts(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    for (int t = 0; t < 50; t++) {
        struct trial trial;
        begin(&trial, t % 2 == 0, &rng);
        uint8_t keep[WIDTH];
        int kept = 0;
        for (int c = 0; c < WIDTH; c++) {
            keep[c] = cop_rng_below(&rng, 2) != 0;
            kept += keep[c];
        }
        if (kept == 0) keep[0] = 1;
        double cut = error_of(&trial, keep, 1e-12, false);
        double repaired = error_of(&trial, keep, 1e-12, true);
        double ridged = error_of(&trial, keep, 1e-3, true);
        if (repaired > cut * (1 + 1e-6) + 1e-9 || ridged < repaired * (1 - 1e-6) - 1e-9)
            fail_msg(
                "seed %llu trial %d: cut %.9g, repaired %.9g, with ridge %.9g",
                (unsigned long long)seed,
                t,
                cut,
                repaired,
                ridged);
        end(&trial);
    }
}

int run_repair_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicates_are_recovered),
        cmocka_unit_test(test_without_bias),
        cmocka_unit_test(test_repair_never_hurts),
    };
    return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
