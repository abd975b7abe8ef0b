/* tests/engine/slices_test.c - batches in slices: the same numbers, and never where samples
 * meet. */
#include "engine/plan_impl.h"
#include "engine_tests.h"
#include "nets.h"
#include "toy.h"

#include "support/test.h"

enum { SEED = 20261123, BATCH = 6 };

static struct cop_engine *engine;
static struct cop_rng rng;

static int set_up(void **state)
{
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED);
    assert_ok(cop_engine_create(&engine, &err));
    engine->cache_bytes = 1000; /* or these networks would fit */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cop_engine_destroy(engine);
    return 0;
}

/* Into how many slices the batch is cut; compares with the reference on the way. */
static int64_t run_in_slices(struct cop_graph *graph)
{
    struct cop_err err;
    struct cop_plan *plan;
    const struct cop_plan_options options = {.mb = BATCH, .may_slice = true};
    struct toy_values *values = toy_values_create(graph, BATCH, &rng);
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    assert_int_equal(cop_plan_start_shape(plan, 0)->dim[0], BATCH);
    toy_check_plan(plan, graph, values, 1e-5);
    int64_t n = plan->n_slices;
    if (n > 1) {
        float element;
        int32_t id = cop_graph_output(graph, 0)->id;
        assert_fails(cop_plan_read(plan, id, &element, 1, &err), COP_EINVAL);
    }
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
    return n;
}

static void random_networks_slice(void **state)
{
    int32_t n_sliced = 0;
    (void)state;
    print_message("seed %d\n", SEED);
    for (int round = 0; round < 40; round++)
        n_sliced += run_in_slices(toy_random_net(&rng, 2)) > 1 ? 1 : 0;
    assert_true(n_sliced > 5);
}

static struct cop_value *picture(struct cop_graph *graph)
{
    static const int64_t dims[4] = {1, 6, 9, 8};
    return toy_input(graph, 4, dims);
}

static void light_networks_slice(void **state)
{
    (void)state;
    struct cop_graph *graph = toy_graph();
    toy_end(graph, toy_relu(graph, picture(graph)));
    assert_int_equal(run_in_slices(graph), BATCH);
}

static void samples_that_meet_do_not(void **state)
{
    const struct toy_attrs meeting[] = {
        {.kind = TOY_SOFTMAX, .axis = 0},
        {.kind = TOY_TRANSPOSE, .perm = {1, 0, 2, 3}},
        {.kind = TOY_RESHAPE, .rank = 2, .counts = {-1, 8}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof meeting / sizeof meeting[0]; i++) {
        struct cop_graph *graph = toy_graph();
        toy_end(graph, toy_unary(graph, &meeting[i], picture(graph)));
        assert_int_equal(run_in_slices(graph), 1);
    }
}

/* A constant with one number per sample of this very batch. */
static void constants_of_the_batch_do_not(void **state)
{
    static const int64_t dims[4] = {BATCH, 1, 1, 1};
    static const double range[2] = {0.5, 1.5};
    const struct toy_attrs multiply = {.kind = TOY_BINARY, .binary = COP_BINARY_MUL};
    (void)state;
    struct cop_graph *graph = toy_graph();
    struct cop_value *c = toy_const(graph, &rng, 4, dims, range);
    struct cop_value *srcs[2] = {picture(graph), c};
    toy_end(graph, toy_node(graph, &multiply, 2, srcs));
    assert_int_equal(run_in_slices(graph), 1);
}

int test_slices(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks_slice),
        cmocka_unit_test(light_networks_slice),
        cmocka_unit_test(samples_that_meet_do_not),
        cmocka_unit_test(constants_of_the_batch_do_not),
    };
    return cmocka_run_group_tests_name("slices", tests, set_up, tear_down);
}
