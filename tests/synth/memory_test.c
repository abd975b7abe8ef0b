/* tests/synth/memory_test.c - the whole chain with every n-th allocation failing: each
 * failure is told as such, nothing leaks (the sanitizer build sees to that), and the chain
 * works again afterwards. */
#include "synth_tests.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"
#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"
#include "prune/cut.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

struct chain {
    struct cop_text text;
    struct cop_buf *bytes;
    struct cop_graph *graph;
    struct cop_groups *groups;
    struct cop_graph *small;
    struct cop_plan *plan;
};

static enum cop_status
collect(void *context, const void *bytes, size_t n, struct cop_err *err)
{
    cop_text_add(context, bytes, n);
    return cop_text_status(context, err);
}

static enum cop_status halve(struct chain *chain, struct cop_err *err)
{
    static const uint8_t every_other[64] = {
        1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0,
        1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0,
        1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0};
    const uint8_t *keep[32] = {NULL};
    for (int32_t i = 0; i < cop_groups_n(chain->groups) && i < 32; i++) {
        const struct cop_group *group = cop_groups_at(chain->groups, i);
        if (group->frozen_because == NULL && group->n_channels <= 64)
            keep[i] = every_other;
    }
    const struct cop_cut cut = {.keep = keep};
    return cop_cut_apply(chain->groups, &cut, &chain->small, err);
}

/* Write, read, simplify, group, cut, compile, run. */
static enum cop_status run_chain(
    struct chain *chain,
    const struct cop_graph *source,
    struct cop_engine *engine,
    struct cop_err *err)
{
    cop_text_init(&chain->text, 1 << 24);
    const struct cop_onnx_write_options write = {
        .sink = collect, .context = &chain->text};
    COP_TRY(cop_onnx_write(source, &write, err));
    COP_TRY(cop_buf_create(chain->text.n, &chain->bytes, err));
    memcpy(cop_buf_mutable(chain->bytes), chain->text.bytes, chain->text.n);
    COP_TRY(cop_onnx_read_bytes(
        chain->bytes, &cop_ops_standard, NULL, &chain->graph, err));
    COP_TRY(cop_ops_simplify(chain->graph, err));
    COP_TRY(cop_groups_find(chain->graph, &chain->groups, err));
    COP_TRY(halve(chain, err));
    const struct cop_plan_options options = {.mb = 1, .threads = 1};
    COP_TRY(cop_plan_create(engine, chain->small, &options, &chain->plan, err));
    float x[3 * 64] = {0};
    float scores[4];
    const float *starts[1] = {x};
    float *ends[1] = {scores};
    return cop_plan_run(chain->plan, starts, ends, err);
}

static void clear_chain(struct chain *chain)
{
    cop_plan_destroy(chain->plan);
    cop_graph_destroy(chain->small);
    cop_groups_destroy(chain->groups);
    cop_graph_destroy(chain->graph);
    cop_buf_release(chain->bytes);
    cop_text_clear(&chain->text);
    *chain = (struct chain){0};
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct cop_graph *source = small_net(4);
    assert_ok(cop_engine_create(&engine, &err));
    struct chain chain = {0};
    int64_t n_failed = 0;
    for (int64_t n = 1;; n += n < 300 ? 1 : 17) {
        err.text[0] = '\0';
        cop_mem_fail_from(n);
        enum cop_status status = run_chain(&chain, source, engine, &err);
        cop_mem_fail_from(0);
        if (status == COP_OK) break;
        if (status != COP_ENOMEM || err.text[0] == '\0')
            fail_msg("allocation %d: %s (%s)", (int)n, cop_status_text(status), err.text);
        n_failed++;
        clear_chain(&chain);
    }
    assert_true(n_failed > 300);
    clear_chain(&chain);
    assert_ok(run_chain(&chain, source, engine, &err));
    clear_chain(&chain);
    cop_engine_destroy(engine);
    cop_graph_destroy(source);
}

int test_memory(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
