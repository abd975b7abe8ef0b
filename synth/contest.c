/* synth/contest.c - both allocations are cut, repaired and asked; see contest.h. */
#include "synth/contest.h"

#include "prune/repair.h"
#include "synth/inquire.h"

#include <string.h>

/* Each part is this share of the images, so that two trials take a fraction of one repair;
 * fewer than LEAST_PART would tell little. */
enum { SHARE = 8, LEAST_PART = 16 };

/* The repair of readers alone does not tell which is better once responses are repaired. */
static enum cop_status try_choice(
    const struct cop_shrink_contest *contest,
    const struct cop_shrunk *shrunk,
    const struct cop_sample_source *repair,
    struct cop_inquiry *judge,
    const int32_t *choice,
    double *error,
    struct cop_err *err)
{
    struct cop_cut cut;
    struct cop_graph *graph = NULL;
    COP_TRY(cop_tables_cut(shrunk->tables, choice, shrunk->arena, &cut, err));
    COP_TRY(cop_repair_consumers(
        shrunk->groups, &cut, shrunk->calibration, NULL, &graph, err));
    enum cop_status status = cop_repair_responses(
        contest->engine,
        shrunk->groups,
        &cut,
        shrunk->calibration,
        repair,
        contest->progress,
        graph,
        err);
    if (status == COP_OK) status = cop_inquire_graph(judge, graph, error, err);
    cop_graph_destroy(graph);
    return status;
}

static enum cop_status try_both(
    const struct cop_shrink_contest *contest,
    int64_t n,
    int32_t *const choices[COP_N_ALLOCATIONS],
    struct cop_shrunk *shrunk,
    struct cop_err *err)
{
    struct cop_shrink_part repair;
    struct cop_shrink_part asked;
    struct cop_inquiry *judge = NULL;
    COP_TRY(cop_shrink__part(contest->images, 0, n, shrunk->arena, &repair, err));
    COP_TRY(cop_shrink__part(contest->images, 1, n, shrunk->arena, &asked, err));
    COP_TRY(cop_inquiry_make(
        contest->engine,
        shrunk->tables,
        shrunk->groups,
        shrunk->calibration,
        &asked.samples,
        n,
        shrunk->arena,
        &judge,
        err));
    for (int i = 0; i < COP_N_ALLOCATIONS; i++)
        COP_TRY(try_choice(
            contest,
            shrunk,
            &repair.samples,
            judge,
            choices[i],
            &shrunk->allocation_errors[i],
            err));
    return COP_OK;
}

enum cop_status cop_shrink__contest(
    const struct cop_shrink_contest *contest,
    const struct cop_budget *budget,
    struct cop_shrunk *shrunk,
    struct cop_err *err)
{
    int32_t n_options = cop_tables_n_options(shrunk->tables);
    int64_t n_images = contest->images->samples.n;
    int64_t n = n_images / SHARE > LEAST_PART ? n_images / SHARE : LEAST_PART;
    if (n_images < n * COP_DRAWN_PARTS) return COP_OK;
    double *equal = COP_ARENA_NEW_N(shrunk->arena, n_options, double);
    int32_t *plain = COP_ARENA_NEW_N(shrunk->arena, n_options, int32_t);
    if (equal == NULL || plain == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < n_options; o++)
        equal[o] = 1.0;
    size_t bytes = (size_t)n_options * sizeof *plain;
    if (!cop_generate(shrunk->tables, equal, budget, plain) ||
        memcmp(plain, shrunk->choice, bytes) == 0)
        return COP_OK;
    int32_t *const choices[COP_N_ALLOCATIONS] = {plain, shrunk->choice};
    COP_TRY(try_both(contest, n, choices, shrunk, err));
    const double *errors = shrunk->allocation_errors;
    shrunk->is_contested = true;
    shrunk->allocation =
        errors[COP_BY_TABLES] < errors[COP_BY_INQUIRY] ? COP_BY_TABLES : COP_BY_INQUIRY;
    shrunk->choice = choices[shrunk->allocation];
    return COP_OK;
}
