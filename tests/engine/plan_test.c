/* tests/engine/plan_test.c - whole networks: fused against unfused against the reference,
 * cuts, taps, masks, the memory plan, shared weights, failing allocations. */
#include "engine_tests.h"
#include "nets.h"

#include "base/mem.h"
#include "engine/plan_impl.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20260612, NETS = 60 };

static struct cop_engine *engine;

static int set_up(void **state)
{
    struct cop_err err;
    (void)state;
    assert_ok(cop_engine_create(&engine, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(cop_weights_n(engine->weights), 0);
    cop_engine_destroy(engine);
    return 0;
}

static int64_t count(const struct toy_values *values, int32_t id)
{
    return cop_shape_n(&values->value[id].shape);
}

/* ---- fusion -------------------------------------------------------------------------- */

static void nets_match_fused_and_unfused(void **state)
{
    struct cop_rng rng;
    (void)state;
    print_message("seed %d\n", SEED);
    for (int net = 0; net < NETS; net++) {
        cop_rng_init_stream(&rng, SEED, (uint64_t)net);
        struct cop_graph *graph = toy_random_net(&rng, 1 + net % 3);
        struct toy_values *values = toy_values_create(graph, 1 + net % 2, &rng);
        toy_check_forward(engine, graph, values, COP_PURPOSE_INFER, 1e-5);
        toy_check_forward(engine, graph, values, COP_PURPOSE_BACKWARD, 1e-5);
        toy_values_destroy(values);
        cop_graph_destroy(graph);
    }
}

static struct cop_plan *plan_of(
    const struct cop_graph *graph, const struct cop_plan_options *options)
{
    struct cop_err err;
    struct cop_plan *plan;
    assert_ok(cop_plan_create(engine, graph, options, &plan, &err));
    return plan;
}

/* x -> conv -> normalise -> relu -> conv -> add x' -> relu: two steps and one pool. */
static struct cop_graph *residual(struct cop_rng *rng, struct cop_value *named[4])
{
    struct cop_graph *graph = toy_graph();
    const int64_t dims[4] = {1, 16, 6, 6};
    struct toy_attrs conv = toy_window(TOY_CONV, 3, 1, 1);
    struct cop_value *x = toy_input(graph, 4, dims);
    named[0] = toy_conv(graph, rng, x, 16, conv, true);
    named[1] =
        toy_normalise(graph, rng, toy_conv(graph, rng, named[0], 16, conv, false));
    named[2] = toy_relu(graph, named[1]);
    named[3] = toy_relu(
        graph,
        toy_add(graph, toy_conv(graph, rng, named[2], 16, conv, true), named[0]));
    toy_end(graph, named[3]);
    return graph;
}

static int32_t count_steps(const struct cop_plan *plan, const char *kind)
{
    int32_t n = 0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        assert_non_null(step.impl);
        if (kind == NULL ? strcmp(step.kind, "reorder") != 0
                         : strcmp(step.kind, kind) == 0)
            n++;
    }
    return n;
}

static void residual_block_is_three_convolutions(void **state)
{
    struct cop_rng rng;
    struct cop_value *named[4];
    (void)state;
    cop_rng_init(&rng, SEED);
    struct cop_graph *graph = residual(&rng, named);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    assert_int_equal(count_steps(plan, "convolution"), 3);
    assert_int_equal(count_steps(plan, NULL), 3);
    /* Every node is named by exactly one step. */
    int named_nodes = 0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        named_nodes += step.n_nodes;
    }
    assert_int_equal(named_nodes, cop_graph_n_nodes(graph));
    cop_plan_destroy(plan);
    cop_graph_destroy(graph);
}

static void taps_stop_fusion_and_read(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    (void)state;
    for (int net = 0; net < NETS; net++) {
        cop_rng_init_stream(&rng, SEED + 1, (uint64_t)net);
        struct cop_graph *graph = toy_random_net(&rng, 1);
        struct toy_values *values = toy_values_create(graph, 2, &rng);
        const struct cop_value *taps[3];
        for (int i = 0; i < 3; i++) {
            int32_t n = cop_graph_n_nodes(graph);
            taps[i] = cop_graph_node(graph, (int32_t)cop_rng_below(&rng, n))->dst[0];
        }
        const struct cop_plan_options options = {.mb = 2, .taps = taps, .n_taps = 3};
        struct cop_plan *plan = plan_of(graph, &options);
        float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
        float *got = calloc((size_t)count(values, taps[0]->id) + 1, sizeof *got);
        assert_fails(
            cop_plan_read(plan, taps[0]->id, got, count(values, taps[0]->id), &err),
            COP_EINVAL); /* not run yet */
        free(got);
        assert_ok(cop_plan_run(plan, (const float *const[]){x}, NULL, &err));
        for (int i = 0; i < 3; i++) {
            int64_t n = count(values, taps[i]->id);
            float *want = toy_floats(values, taps[i]->id);
            got = calloc((size_t)n, sizeof *got);
            assert_ok(cop_plan_read(plan, taps[i]->id, got, n, &err));
            toy_assert_close(got, want, n, 1e-5);
            assert_fails(
                cop_plan_read(plan, taps[i]->id, got, n - 1, &err), COP_EINVAL);
            free(got);
            free(want);
        }
        float *back = calloc((size_t)count(values, cop_graph_input(graph, 0)->id), 4);
        int64_t n = count(values, cop_graph_input(graph, 0)->id);
        assert_ok(cop_plan_read(plan, cop_graph_input(graph, 0)->id, back, n, &err));
        assert_memory_equal(back, x, (size_t)n * sizeof *back);
        free(back);
        free(x);
        cop_plan_destroy(plan);
        toy_values_destroy(values);
        cop_graph_destroy(graph);
    }
}

/* ---- cuts ------------------------------------------------------------------------------ */

static void cuts_compute_what_lies_behind(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    struct cop_value *named[4];
    (void)state;
    cop_rng_init(&rng, SEED + 2);
    struct cop_graph *graph = residual(&rng, named);
    struct toy_values *values = toy_values_create(graph, 3, &rng);
    const struct cop_value *starts[2] = {named[2], named[0]};
    const struct cop_value *ends[2] = {named[3], named[0]};
    /* Other numbers at the cut than the network would compute. */
    for (int i = 0; i < 2; i++) {
        struct toy_tensor *cut = &values->value[starts[i]->id];
        for (int64_t k = 0; k < cop_shape_n(&cut->shape); k++)
            cut->at[k] = (double)(float)cop_rng_range(&rng, -1, 1);
    }
    toy_values_compute(graph, values, starts, 2);
    const struct cop_plan_options options = {
        .mb = 3, .starts = starts, .n_starts = 2, .ends = ends, .n_ends = 2};
    struct cop_plan *plan = plan_of(graph, &options);
    assert_int_equal(count_steps(plan, "convolution"), 1);
    float *given[2];
    float *got[2];
    for (int i = 0; i < 2; i++) {
        given[i] = toy_floats(values, starts[i]->id);
        got[i] = calloc((size_t)count(values, ends[i]->id), sizeof(float));
    }
    assert_ok(cop_plan_run(plan, (const float *const *)given, got, &err));
    for (int i = 0; i < 2; i++) {
        float *want = toy_floats(values, ends[i]->id);
        toy_assert_close(got[i], want, count(values, ends[i]->id), 1e-5);
        free(want);
        free(given[i]);
        free(got[i]);
    }
    cop_plan_destroy(plan);
    /* Without named[0] the sum cannot be computed. */
    const struct cop_plan_options short_cut = {
        .mb = 3, .starts = starts, .n_starts = 1, .ends = ends, .n_ends = 1};
    assert_fails(cop_plan_create(engine, graph, &short_cut, &plan, &err), COP_EINVAL);
    assert_null(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

static void graph_may_go_first(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED + 3);
    struct cop_graph *graph = toy_random_net(&rng, 2);
    struct toy_values *values = toy_values_create(graph, 1, &rng);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
    float *want = toy_floats(values, cop_graph_output(graph, 0)->id);
    cop_graph_destroy(graph);
    int64_t n = cop_shape_n(cop_plan_end_shape(plan, 0));
    float *got = calloc((size_t)n, sizeof *got);
    float *const ends[2] = {got, NULL};
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, ends, &err));
    toy_assert_close(got, want, n, 1e-5);
    free(x);
    free(want);
    free(got);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
}

/* A constant, and the input itself, can be ends. */
static void known_values_can_be_ends(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED + 4);
    struct cop_value *named[4];
    struct cop_graph *graph = residual(&rng, named);
    const struct cop_value *weights = named[0]->producer->src[1];
    const struct cop_value *x = cop_graph_input(graph, 0);
    const struct cop_value *ends[2] = {weights, x};
    const struct cop_plan_options options = {
        .mb = 1, .ends = ends, .n_ends = 2, .taps = &weights, .n_taps = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    assert_int_equal(cop_plan_n_steps(plan), 0);
    struct toy_values *values = toy_values_create(graph, 1, &rng);
    float *given = toy_floats(values, x->id);
    float *got[2] = {
        calloc((size_t)count(values, weights->id), sizeof(float)),
        calloc((size_t)count(values, x->id), sizeof(float))};
    assert_ok(cop_plan_run(plan, (const float *const[]){given}, got, &err));
    assert_memory_equal(
        got[0], cop_buf_data(weights->data), (size_t)count(values, weights->id) * 4);
    assert_memory_equal(got[1], given, (size_t)count(values, x->id) * 4);
    assert_ok(
        cop_plan_read(plan, weights->id, got[0], count(values, weights->id), &err));
    free(given);
    free(got[0]);
    free(got[1]);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

/* ---- masks ------------------------------------------------------------------------------ */

static void fill_reference(struct toy_tensor *tensor, const uint8_t *mask, double fill)
{
    int64_t c = tensor->shape.dim[1];
    int64_t inner = cop_shape_span(&tensor->shape, 2, tensor->shape.rank);
    for (int64_t i = 0; i < cop_shape_n(&tensor->shape); i++) {
        if (mask[i / inner % c] != 0) tensor->at[i] = fill;
    }
}

/* Masks a value in the plan and in the reference, at a start and inside the network. */
static void check_mask(
    const struct cop_graph *graph,
    struct toy_values *values,
    const struct cop_value *value,
    struct cop_rng *rng)
{
    struct cop_err err;
    uint8_t mask[128] = {0};
    for (int64_t c = 0; c < value->shape.dim[1]; c++)
        mask[c] = (uint8_t)cop_rng_below(rng, 2);
    const struct cop_plan_options options = {.mb = 2, .taps = &value, .n_taps = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    int32_t end = cop_graph_output(graph, 0)->id;
    int64_t n = count(values, end);
    float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
    float *before = toy_floats(values, end);
    float *got = calloc((size_t)n, sizeof *got);
    float *const ends[1] = {got};
    assert_ok(cop_plan_mask_channels(plan, value->id, mask, 0.5f, &err));
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, ends, &err));
    fill_reference(&values->value[value->id], mask, 0.5);
    toy_values_compute(graph, values, &value, 1);
    float *after = toy_floats(values, end);
    toy_assert_close(got, after, n, 1e-5);
    assert_ok(cop_plan_mask_channels(plan, value->id, NULL, 0.0f, &err));
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, ends, &err));
    toy_assert_close(got, before, n, 1e-5);
    free(x);
    free(before);
    free(after);
    free(got);
    cop_plan_destroy(plan);
}

static void masks_force_channels(void **state)
{
    struct cop_rng rng;
    (void)state;
    for (int net = 0; net < NETS; net++) {
        cop_rng_init_stream(&rng, SEED + 5, (uint64_t)net);
        struct cop_graph *graph = toy_random_net(&rng, 1);
        struct toy_values *values = toy_values_create(graph, 2, &rng);
        int32_t n = cop_graph_n_nodes(graph);
        const struct cop_value *value =
            net % 7 == 0
                ? cop_graph_input(graph, 0)
                : cop_graph_node(graph, (int32_t)cop_rng_below(&rng, n))->dst[0];
        check_mask(graph, values, value, &rng);
        toy_values_destroy(values);
        cop_graph_destroy(graph);
    }
}

static void only_taps_can_be_masked(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    struct cop_value *named[4];
    const uint8_t mask[16] = {1};
    (void)state;
    cop_rng_init(&rng, SEED + 6);
    struct cop_graph *graph = residual(&rng, named);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    assert_fails(cop_plan_mask_channels(plan, named[1]->id, mask, 0, &err), COP_EINVAL);
    assert_fails(cop_plan_mask_channels(plan, named[3]->id, mask, 0, &err), COP_EINVAL);
    assert_fails(cop_plan_mask_channels(plan, 99999, mask, 0, &err), COP_EINVAL);
    assert_fails(cop_plan_mask_channels(plan, -1, mask, 0, &err), COP_EINVAL);
    cop_plan_destroy(plan);
    cop_graph_destroy(graph);
}

/* ---- memory ------------------------------------------------------------------------------ */

static void live_tensors_do_not_overlap(void **state)
{
    struct cop_rng rng;
    (void)state;
    for (int net = 0; net < NETS; net++) {
        cop_rng_init_stream(&rng, SEED + 7, (uint64_t)net);
        struct cop_graph *graph = toy_random_net(&rng, 2);
        const struct cop_plan_options options = {.mb = 2};
        struct cop_plan *plan = plan_of(graph, &options);
        size_t total = 0;
        for (int32_t i = 0; i < plan->n_storages; i++) {
            const struct cop_storage *a = &plan->storages[i];
            total += a->bytes;
            assert_int_equal(a->offset % 64, 0);
            assert_true(a->first <= a->last);
            assert_true(a->offset + a->bytes <= plan->memory.activation_bytes);
            for (int32_t k = 0; k < i; k++) {
                const struct cop_storage *b = &plan->storages[k];
                bool together = a->first <= b->last && b->first <= a->last;
                bool overlap = a->offset < b->offset + b->bytes &&
                               b->offset < a->offset + a->bytes;
                assert_false(together && overlap);
            }
        }
        struct cop_plan_memory memory;
        cop_plan_memory(plan, &memory);
        assert_true(memory.activation_bytes <= total + 64 * (size_t)plan->n_storages);
        assert_true(memory.weights_bytes > 0);
        cop_plan_destroy(plan);
        cop_graph_destroy(graph);
    }
}

static void a_long_chain_needs_little(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 8);
    struct cop_graph *graph = toy_graph();
    const int64_t dims[4] = {1, 16, 16, 16};
    struct cop_value *x = toy_input(graph, 4, dims);
    for (int i = 0; i < 20; i++) {
        struct toy_attrs attrs = toy_window(TOY_POOL, 3, 1, 1);
        x = toy_unary(graph, &attrs, x);
    }
    toy_end(graph, x);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    struct cop_plan_memory memory;
    cop_plan_memory(plan, &memory);
    /* The start and the end are kept; two tensors alternate between. */
    assert_true(memory.activation_bytes <= 4 * 16 * 16 * 16 * sizeof(float));
    cop_plan_destroy(plan);
    cop_graph_destroy(graph);
}

static void plans_share_packed_weights(void **state)
{
    struct cop_rng rng;
    struct cop_value *named[4];
    (void)state;
    cop_rng_init(&rng, SEED + 9);
    struct cop_graph *graph = residual(&rng, named);
    struct cop_plan *plans[3];
    int32_t n_packs = 0;
    for (int i = 0; i < 3; i++) {
        const struct cop_plan_options options = {.mb = i < 2 ? 1 : 4};
        plans[i] = plan_of(graph, &options);
        if (i == 0) n_packs = cop_weights_n(engine->weights);
        /* The bias made by folding has no constant to be found by. */
        if (i == 1) assert_true(cop_weights_n(engine->weights) <= n_packs + 1);
    }
    for (int i = 0; i < 3; i++)
        cop_plan_destroy(plans[i]);
    assert_int_equal(cop_weights_n(engine->weights), 0);
    cop_graph_destroy(graph);
}

static void check_failing_allocations(
    const struct cop_graph *graph, enum cop_purpose purpose)
{
    struct cop_err err;
    const struct cop_plan_options options = {.mb = 1, .purpose = purpose};
    struct cop_plan *plan = NULL;
    enum cop_status status = COP_ENOMEM;
    int64_t n = 1;
    for (; status != COP_OK && n < 5000; n++) {
        cop_mem_fail_from(n);
        status = cop_plan_create(engine, graph, &options, &plan, &err);
        cop_mem_fail_from(0);
        if (status == COP_OK) break;
        assert_int_equal(status, COP_ENOMEM);
        assert_null(plan);
        assert_int_equal(cop_weights_n(engine->weights), 0);
    }
    assert_int_equal(status, COP_OK);
    assert_true(n > 10);
    cop_plan_destroy(plan);
}

static void failing_allocations_are_told(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 10);
    struct cop_graph *graph = toy_random_net(&rng, 2);
    check_failing_allocations(graph, COP_PURPOSE_INFER);
    check_failing_allocations(graph, COP_PURPOSE_BACKWARD);
    cop_graph_destroy(graph);
}

static void hopeless_requests_are_refused(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    struct cop_plan *plan;
    struct cop_value *named[4];
    (void)state;
    cop_rng_init(&rng, SEED + 11);
    struct cop_graph *graph = residual(&rng, named);
    struct cop_plan_options options = {.mb = 0};
    assert_fails(cop_plan_create(engine, graph, &options, &plan, &err), COP_EINVAL);
    options = (struct cop_plan_options){.mb = 1, .threads = -1};
    assert_fails(cop_plan_create(engine, graph, &options, &plan, &err), COP_EINVAL);
    cop_graph_destroy(graph);
    graph = toy_graph();
    options = (struct cop_plan_options){.mb = 1};
    assert_fails(cop_plan_create(engine, graph, &options, &plan, &err), COP_EINVAL);
    const int64_t huge[4] = {1, 1, 32768, 32768};
    toy_end(graph, toy_relu(graph, toy_input(graph, 4, huge)));
    assert_fails(
        cop_plan_create(engine, graph, &options, &plan, &err), COP_EUNSUPPORTED);
    cop_graph_destroy(graph);
}

/* A reshaped tensor shares its bytes: what reads it must not write there while the source
 * is still wanted. */
static void views_are_not_overwritten(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 15);
    struct cop_graph *graph = toy_graph();
    const int64_t dims[4] = {1, 16, 1, 1};
    struct toy_attrs conv = toy_window(TOY_CONV, 1, 1, 0);
    const struct toy_attrs flat = {.kind = TOY_RESHAPE, .rank = 2, .counts = {0, -1}};
    const struct toy_attrs cubed = {
        .kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_LINEAR, .alpha = 3.0f};
    struct cop_value *x =
        toy_conv(graph, &rng, toy_input(graph, 4, dims), 16, conv, true);
    struct cop_value *viewed = toy_unary(graph, &flat, x);
    struct cop_value *changed = toy_unary(graph, &cubed, viewed);
    const struct toy_attrs softmax = {.kind = TOY_SOFTMAX, .axis = 1};
    toy_end(graph, toy_unary(graph, &softmax, changed));
    toy_end(graph, toy_conv(graph, &rng, x, 3, conv, true));
    struct toy_values *values = toy_values_create(graph, 2, &rng);
    toy_check_forward(engine, graph, values, COP_PURPOSE_INFER, 1e-5);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

/* ---- profile and repeats -------------------------------------------------------------------- */

static void profile_times_every_step(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED + 12);
    struct cop_graph *graph = toy_random_net(&rng, 1);
    struct toy_values *values = toy_values_create(graph, 1, &rng);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan *plan = plan_of(graph, &options);
    struct cop_plan_times times;
    int32_t end = cop_graph_output(graph, 0)->id;
    int64_t n = count(values, end);
    float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
    float *before = calloc((size_t)n, sizeof *before);
    float *after = calloc((size_t)n, sizeof *after);
    const float *const starts[] = {x};
    assert_ok(cop_plan_run(plan, starts, (float *const[]){before}, &err));
    assert_fails(cop_plan_profile(plan, starts, NULL, 0, &times, &err), COP_EINVAL);
    assert_ok(cop_plan_profile(plan, starts, (float *const[]){after}, 4, &times, &err));
    assert_memory_equal(before, after, (size_t)n * sizeof *after);
    memset(after, 0, (size_t)n * sizeof *after);
    double sum = 0.0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        assert_true(step.ms >= 0.0);
        sum += step.ms;
    }
    assert_true(sum > 0.0);
    assert_true(times.steps_ms > 0.0 && times.steps_ms <= times.wall_ms);
    /* Profiling leaves the results of the last run readable. */
    assert_ok(cop_plan_read(plan, end, after, n, &err));
    assert_memory_equal(before, after, (size_t)n * sizeof *after);
    free(x);
    free(before);
    free(after);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

static void repeated_runs_agree_to_the_bit(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED + 13);
    struct cop_graph *graph = toy_random_net(&rng, 1);
    struct toy_values *values = toy_values_create(graph, 2, &rng);
    int32_t end = cop_graph_output(graph, 0)->id;
    int64_t n = count(values, end);
    float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
    float *first = calloc((size_t)n, sizeof *first);
    float *again = calloc((size_t)n, sizeof *again);
    for (int i = 0; i < 4; i++) {
        const struct cop_plan_options options = {.mb = 2, .threads = 2};
        struct cop_plan *plan = plan_of(graph, &options);
        for (int run = 0; run < 3; run++) {
            float *const ends[1] = {i == 0 && run == 0 ? first : again};
            assert_ok(cop_plan_run(plan, (const float *const[]){x}, ends, &err));
            if (ends[0] == again)
                assert_memory_equal(first, again, (size_t)n * sizeof *first);
        }
        cop_plan_destroy(plan);
    }
    free(x);
    free(first);
    free(again);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

/* ---- several threads ------------------------------------------------------------------------- */

struct worker {
    const struct cop_graph *graph;
    const float *x;
    float *got;
    enum cop_status status;
};

/* Plans of one engine are made, run and destroyed in several threads at once. */
static void *work(void *context)
{
    struct worker *worker = context;
    for (int i = 0; worker->status == COP_OK && i < 5; i++) {
        const struct cop_plan_options options = {.mb = 2, .threads = 1};
        struct cop_plan *plan;
        worker->status = cop_plan_create(engine, worker->graph, &options, &plan, NULL);
        if (worker->status != COP_OK) break;
        for (int run = 0; worker->status == COP_OK && run < 10; run++)
            worker->status = cop_plan_run(
                plan,
                (const float *const[]){worker->x},
                (float *const[]){worker->got},
                NULL);
        cop_plan_destroy(plan);
    }
    return NULL;
}

static void plans_run_in_several_threads(void **state)
{
    enum { WORKERS = 4 };
    struct cop_rng rng;
    (void)state;
    for (int net = 0; net < 4; net++) {
        cop_rng_init_stream(&rng, SEED + 14, (uint64_t)net);
        struct cop_graph *graph = toy_random_net(&rng, 1);
        struct toy_values *values = toy_values_create(graph, 2, &rng);
        int32_t end = cop_graph_output(graph, 0)->id;
        int64_t n = count(values, end);
        float *x = toy_floats(values, cop_graph_input(graph, 0)->id);
        float *want = toy_floats(values, end);
        pthread_t threads[WORKERS];
        struct worker workers[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            workers[i] = (struct worker){
                .graph = graph, .x = x, .got = calloc((size_t)n, sizeof(float))};
            assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int i = 0; i < WORKERS; i++) {
            assert_int_equal(workers[i].status, COP_OK);
            toy_assert_close(workers[i].got, want, n, 1e-5);
            assert_memory_equal(workers[i].got, workers[0].got, (size_t)n * 4);
        }
        for (int i = 0; i < WORKERS; i++)
            free(workers[i].got);
        free(x);
        free(want);
        toy_values_destroy(values);
        cop_graph_destroy(graph);
    }
}

int test_plans(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_match_fused_and_unfused),
        cmocka_unit_test(residual_block_is_three_convolutions),
        cmocka_unit_test(taps_stop_fusion_and_read),
        cmocka_unit_test(cuts_compute_what_lies_behind),
        cmocka_unit_test(graph_may_go_first),
        cmocka_unit_test(known_values_can_be_ends),
        cmocka_unit_test(masks_force_channels),
        cmocka_unit_test(only_taps_can_be_masked),
        cmocka_unit_test(live_tensors_do_not_overlap),
        cmocka_unit_test(a_long_chain_needs_little),
        cmocka_unit_test(views_are_not_overwritten),
        cmocka_unit_test(plans_share_packed_weights),
        cmocka_unit_test(failing_allocations_are_told),
        cmocka_unit_test(hopeless_requests_are_refused),
        cmocka_unit_test(profile_times_every_step),
        cmocka_unit_test(repeated_runs_agree_to_the_bit),
        cmocka_unit_test(plans_run_in_several_threads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
