/* tests/synth/shrink_test.c - one cut: what is claimed is what was reached, and every group
 * of a kept one can be asked for. */
#include "synth_tests.h"

#include "ops/ops.h"
#include "support/test.h"
#include "synth/project.h"
#include "synth/shrink.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_RECORDS = 160 };

struct fixture {
    char dir[256];
    struct cop_engine *engine;
    struct cop_graph *graph;
    struct cop_dataset *data;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct cop_err err;
    char path[300];
    uint8_t labels[N_RECORDS] = {0};
    f = (struct fixture){.graph = small_net(5)};
    (void)snprintf(path, sizeof path, "%s/r.bin", test_make_dir(f.dir));
    write_records(path, N_RECORDS, labels, 4);
    f.data = open_records(path);
    assert_ok(cop_engine_create(&f.engine, &err));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cop_dataset_close(f->data);
    cop_graph_destroy(f->graph);
    cop_engine_destroy(f->engine);
    test_remove_dir(f->dir);
    return 0;
}

static void what_is_claimed_is_there(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    for (double share = 0.8; share > 0.25; share -= 0.25) {
        const struct cop_shrink_options options = {
            .macs = {.value = share, .is_share = true},
            .score = COP_SCORE_RECONSTRUCTION,
            .samples = 64,
        };
        struct cop_shrunk shrunk;
        int64_t macs = 0;
        assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
        assert_ok(cop_graph_macs(shrunk.graph, &macs, &err));
        assert_int_equal(macs, shrunk.after.macs);
        assert_true((double)macs <= share * (double)shrunk.before.macs);
        assert_true((double)macs > 0.8 * share * (double)shrunk.before.macs);
        assert_int_equal(shrunk.n_calibration, 64);
        assert_true(shrunk.is_held_out); /* 96 are left over */
        assert_int_equal(shrunk.evaluations[0].n, N_RECORDS - 64);
        assert_true(shrunk.agreement >= 50.0 && shrunk.agreement <= 100.0);
        assert_true(shrunk.time_share > 0.0 && shrunk.after.ms > 0.0);
        cop_shrunk_clear(&shrunk);
    }
}

static void samples_do_not_repeat(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    const struct cop_shrink_options options = {
        .params = {.value = 0.5, .is_share = true},
        .score = COP_SCORE_RECONSTRUCTION,
        .samples = 130, /* 30 are left over: too few, so these are compared on */
    };
    struct cop_shrunk shrunk;
    assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
    assert_false(shrunk.is_held_out);
    assert_int_equal(shrunk.evaluations[0].n, 130);
    assert_true(shrunk.after.params * 2 <= shrunk.before.params);
    cop_shrunk_clear(&shrunk);
}

/* Convolutions without biases get them by repair: these count, or a limit on parameters
 * that is all but used up would be missed. */
static void biases_that_repair_adds_are_counted(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_graph *graph = small_net(5);
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *node = cop_graph_node(graph, i);
        if (strcmp(node->op->name, "Conv") == 0)
            assert_ok(cop_graph_set_src(graph, node, 2, NULL, &err));
    }
    cop_graph_remove_dead(graph);
    const struct cop_shrink_input input = {.graph = graph, .data = f->data};
    for (double share = 0.8; share > 0.35; share -= 0.2) {
        for (int keeps_ranks = 0; keeps_ranks < 2; keeps_ranks++) {
            const struct cop_shrink_options options = {
                .params = {.value = share, .is_share = true},
                .score = COP_SCORE_RECONSTRUCTION,
                .samples = 32,
                .keeps_ranks = keeps_ranks,
            };
            struct cop_shrunk shrunk;
            assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
            assert_true(
                (double)shrunk.after.params >
                0.9 * share * (double)shrunk.before.params);
            cop_shrunk_clear(&shrunk);
        }
    }
    cop_graph_destroy(graph);
}

/* Both ways to choose the widths are tried, and the kept widths are of the better one. */
static void the_better_allocation_is_kept(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    int n_contested = 0;
    for (double share = 0.7; share > 0.35; share -= 0.1) {
        const struct cop_shrink_options options = {
            .macs = {.value = share, .is_share = true},
            .score = COP_SCORE_RECONSTRUCTION,
            .samples = 64,
        };
        struct cop_shrunk shrunk;
        assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
        int32_t n = cop_tables_n_options(shrunk.tables);
        double equal[16];
        int32_t plain[16];
        assert_in_range(n, 1, 16);
        for (int32_t o = 0; o < n; o++)
            equal[o] = 1.0;
        const struct cop_budget budget = {.macs = share * (double)shrunk.before.macs};
        assert_true(cop_generate(shrunk.tables, equal, &budget, plain));
        bool is_plain = memcmp(plain, shrunk.choice, (size_t)n * sizeof *plain) == 0;
        const double *errors = shrunk.allocation_errors;
        if (shrunk.is_contested) {
            n_contested++;
            assert_true(errors[COP_BY_TABLES] > 0.0 && errors[COP_BY_INQUIRY] > 0.0);
            assert_int_equal(is_plain, errors[COP_BY_TABLES] < errors[COP_BY_INQUIRY]);
            assert_int_equal(is_plain, shrunk.allocation == COP_BY_TABLES);
        } else
            assert_true(is_plain); /* equal choices are not tried */
        cop_shrunk_clear(&shrunk);
    }
    assert_true(n_contested > 0);
}

/* The contents decide what is held out, not that the set was opened twice. */
static void the_same_images_are_not_held_out(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    char path[300];
    uint8_t labels[N_RECORDS] = {0};
    uint8_t more[N_RECORDS + 8] = {1};
    for (int is_other = 0; is_other < 3; is_other++) {
        static const char *const names[] = {"r", "v", "more"};
        (void)snprintf(path, sizeof path, "%s/%s.bin", f->dir, names[is_other]);
        if (is_other == 1) write_records(path, N_RECORDS, labels, 5);
        /* The same pictures and others, under other names and labels. */
        if (is_other == 2) write_records(path, N_RECORDS + 8, more, 4);
        struct cop_dataset *val = open_records(path);
        const struct cop_shrink_input input = {
            .graph = f->graph, .data = f->data, .val = val};
        const struct cop_shrink_options options = {
            .macs = {.value = 0.7, .is_share = true},
            .score = COP_SCORE_MAGNITUDE,
            .samples = 64,
        };
        struct cop_shrunk shrunk;
        assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
        assert_int_equal(shrunk.is_held_out, is_other == 1);
        assert_int_equal(shrunk.n_shared, is_other == 1 ? 0 : 64);
        assert_int_equal(shrunk.evaluations[0].n, cop_dataset_n(val));
        cop_shrunk_clear(&shrunk);
        cop_dataset_close(val);
    }
}

static void out_of_reach_is_told(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    struct cop_shrink_options options = {
        .macs = {.value = 0.001, .is_share = true},
        .score = COP_SCORE_MAGNITUDE,
        .samples = 16,
    };
    struct cop_shrunk shrunk;
    assert_fails(
        cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err), COP_ELIMIT);
    assert_non_null(strstr(err.text, "comes down to"));
    options.macs.value = 1.5;
    assert_fails(
        cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err), COP_EINVAL);
    assert_non_null(strstr(err.text, "nothing to cut"));
    options.macs.value = 0;
    assert_fails(
        cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err), COP_EINVAL);
}

/* Without images the pictures are made up, the same for equal seeds. */
static void blind_cuts_repeat(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_shrink_input blind = {.graph = f->graph, .val = f->data};
    const struct cop_shrink_options options = {
        .macs = {.value = 0.5, .is_share = true},
        .score = COP_SCORE_RECONSTRUCTION,
        .samples = 32,
        .seed = 3,
    };
    struct cop_shrunk shrunk[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(cop_shrink(f->engine, &blind, &options, NULL, &shrunk[i], &err));
        assert_true(shrunk[i].is_blind);
        assert_true(2 * shrunk[i].after.macs <= shrunk[i].before.macs);
    }
    for (int32_t o = 0; o < cop_tables_n_options(shrunk[0].tables); o++)
        assert_int_equal(shrunk[0].choice[o], shrunk[1].choice[o]);
    assert_true(shrunk[0].agreement == shrunk[1].agreement);
    cop_shrunk_clear(&shrunk[0]);
    cop_shrunk_clear(&shrunk[1]);
}

/* Every group of the original has a row: cut ones with their channels in order. */
static void every_group_is_kept(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_arena *arena = cop_arena_create();
    struct cop_store *store = NULL;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/p.coppice", f->dir);
    assert_ok(cop_store_create(path, &store, &err));
    struct cop_model_row model = {.name = "net", .source = "", .origin_json = "{}"};
    assert_ok(cop_project_save_model(store, f->graph, &model, arena, &err));
    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    const struct cop_shrink_options options = {
        .macs = {.value = 0.5, .is_share = true},
        .score = COP_SCORE_RECONSTRUCTION,
        .samples = 64,
    };
    struct cop_shrunk shrunk;
    assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
    const struct cop_shrink_origin origin = {
        .parent = &model, .name = "half", .asked = "prune --macs 50%"};
    assert_ok(cop_shrink_store(store, f->engine, &origin, &options, &shrunk, &err));
    assert_fails(
        cop_shrink_store(store, f->engine, &origin, &options, &shrunk, &err),
        COP_EINVAL);
    struct cop_cut_row *rows;
    int32_t n;
    assert_ok(cop_store_list_groups(store, model.id + 1, arena, &rows, &n, &err));
    assert_int_equal(n, cop_groups_n(shrunk.groups));
    int32_t n_cut = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct cop_group *group = cop_groups_at(shrunk.groups, i);
        assert_string_equal(rows[i].layer, group->name);
        assert_int_equal(rows[i].width_before, group->n_channels);
        const uint8_t *records = rows[i].channels;
        for (size_t k = 0; k * 9 < rows[i].channels_bytes; k++) {
            int64_t n_removed = rows[i].width_before - rows[i].width_after;
            assert_int_equal(records[k * 9 + 8], (int64_t)k >= n_removed);
        }
        n_cut += rows[i].width_after < rows[i].width_before;
        if (group->frozen_because != NULL) {
            assert_int_equal(rows[i].channels_bytes, 0);
            assert_non_null(strstr(rows[i].reason, group->frozen_because));
        }
    }
    struct cop_cut_row *cuts;
    assert_ok(cop_store_list_cuts(store, model.id + 1, arena, &cuts, &n, &err));
    assert_int_equal(n, n_cut);
    assert_true(n_cut > 0);
    assert_ok(cop_store_verify(store, &err));
    cop_shrunk_clear(&shrunk);
    cop_store_close(store);
    cop_arena_destroy(arena);
}

static double disagreement(
    const struct fixture *f, int32_t n_blocks, bool is_unrepaired, int32_t *n_dropped)
{
    struct cop_err err = {0};
    const struct cop_shrink_input input = {
        .graph = f->graph, .data = f->data, .val = f->data};
    const struct cop_shrink_options options = {
        .n_blocks = n_blocks, .is_unrepaired = is_unrepaired, .samples = 128};
    struct cop_shrunk shrunk;
    assert_ok(cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err));
    assert_true(shrunk.after.macs < shrunk.before.macs);
    *n_dropped = shrunk.dropped.n;
    double squared = 0.0; /* of the answers' confidence */
    for (int64_t i = 0; i < shrunk.evaluations[0].n; i++) {
        double change = (double)shrunk.evaluations[0].answers[i].p_answer -
                        (double)shrunk.evaluations[1].answers[i].p_answer;
        squared += change * change;
    }
    cop_shrunk_clear(&shrunk);
    return squared;
}

static void blocks_are_left_out(void **state)
{
    const struct fixture *f = *state;
    struct cop_err err = {0};
    int32_t n_dropped = 0;
    double repaired = disagreement(f, 1, false, &n_dropped);
    assert_int_equal(n_dropped, 1);
    assert_true(repaired < 0.5 * disagreement(f, 1, true, &n_dropped));

    const struct cop_shrink_input input = {.graph = f->graph, .data = f->data};
    struct cop_shrink_options options = {.n_blocks = 90, .samples = 32};
    struct cop_shrunk shrunk;
    assert_int_equal(
        cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err), COP_ELIMIT);
    options.macs = (struct cop_limit){.value = 0.5, .is_share = true};
    assert_int_equal(
        cop_shrink(f->engine, &input, &options, NULL, &shrunk, &err), COP_EINVAL);
}

int test_shrink(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_left_out),
        cmocka_unit_test(what_is_claimed_is_there),
        cmocka_unit_test(samples_do_not_repeat),
        cmocka_unit_test(biases_that_repair_adds_are_counted),
        cmocka_unit_test(the_better_allocation_is_kept),
        cmocka_unit_test(the_same_images_are_not_held_out),
        cmocka_unit_test(out_of_reach_is_told),
        cmocka_unit_test(blind_cuts_repeat),
        cmocka_unit_test(every_group_is_kept),
    };
    return cmocka_run_group_tests_name("shrink", tests, set_up, tear_down);
}
