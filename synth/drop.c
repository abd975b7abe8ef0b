/* synth/drop.c - see drop.h. */
#include "synth/drop.h"

static enum cop_status judge(
    const struct cop_drop_input *input,
    const struct cop_graph *graph,
    struct cop_blocks **blocks,
    struct cop_err *err)
{
    COP_TRY(cop_blocks_find(graph, blocks, err));
    enum cop_status status = cop_blocks_measure(
        *blocks, input->engine, input->samples, input->progress, err);
    if (status == COP_OK)
        status = cop_blocks_time(*blocks, input->engine, input->plan, err);
    if (status != COP_OK) cop_blocks_destroy(*blocks);
    return status;
}

/* The network without the block that costs least; *small NULL if there is none. */
static enum cop_status drop_one(
    const struct cop_drop_input *input,
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_graph **small,
    struct cop_dropped_block *dropped,
    struct cop_err *err)
{
    struct cop_blocks *blocks = NULL;
    COP_TRY(judge(input, graph, &blocks, err));
    int32_t i = cop_blocks_cheapest(blocks);
    enum cop_status status = COP_OK;
    if (i >= 0) {
        const struct cop_block *block = cop_blocks_at(blocks, i);
        *dropped = (struct cop_dropped_block){
            .name = cop_arena_strdup(arena, block->name),
            .error = block->error_linear,
            .time_share = block->time_share,
            .macs = block->macs,
        };
        status = dropped->name == NULL ? COP_FAIL_NOMEM(err)
                                       : cop_blocks_drop(blocks, i, small, err);
    }
    cop_blocks_destroy(blocks);
    return status;
}

static enum cop_status repair(
    const struct cop_drop_input *input, struct cop_graph *small, struct cop_err *err)
{
    int32_t n = cop_groups_n(input->groups);
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_cut nothing = {
        .keep = COP_ARENA_NEW_N(scratch, n, const uint8_t *)};
    enum cop_status status = nothing.keep == NULL
                                 ? COP_FAIL_NOMEM(err)
                                 : cop_repair_responses(
                                       input->engine,
                                       input->groups,
                                       &nothing,
                                       NULL, /* statistics follow from the fit */
                                       input->samples,
                                       input->progress,
                                       small,
                                       err);
    cop_arena_destroy(scratch);
    return status;
}

enum cop_status cop_drop_blocks(
    const struct cop_drop_input *input,
    int32_t n,
    struct cop_arena *arena,
    struct cop_graph **small,
    struct cop_dropped_blocks *dropped,
    struct cop_err *err)
{
    *dropped = (struct cop_dropped_blocks){
        .at = COP_ARENA_NEW_N(arena, n, struct cop_dropped_block)};
    if (dropped->at == NULL) return COP_FAIL_NOMEM(err);
    struct cop_graph *made = NULL;
    enum cop_status status = COP_OK;
    while (status == COP_OK && dropped->n < n) {
        const struct cop_graph *graph =
            made != NULL ? made : cop_groups_graph(input->groups);
        struct cop_graph *next = NULL;
        status = drop_one(input, graph, arena, &next, &dropped->at[dropped->n], err);
        if (status == COP_OK && next == NULL)
            status = COP_FAIL(
                err,
                COP_ELIMIT,
                "out of reach: %d blocks asked, %d can be left out",
                n,
                dropped->n);
        if (status != COP_OK) break;
        cop_graph_destroy(made);
        made = next;
        dropped->n++;
        if (!input->is_unrepaired) status = repair(input, made, err);
    }
    if (status != COP_OK) {
        cop_graph_destroy(made);
        return status;
    }
    *small = made;
    return COP_OK;
}
