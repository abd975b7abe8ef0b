/* prune/score.c - see score.h. */
#include "prune/score.h"

#include "prune/score_impl.h"

#include <stdio.h>
#include <string.h>

bool cop_score_needs_gradients(enum cop_score_method method)
{
    return method == COP_SCORE_TAYLOR || method == COP_SCORE_FISHER;
}

/* Scores that were measured for all groups at once. */
static void take_over(
    const struct cop_group *group, const double *scores, struct cop_score *order)
{
    for (int64_t c = 0; c < group->n_channels; c++)
        order[c] = (struct cop_score){.channel = c, .score = scores[c]};
    cop_score__rank(order, group->n_channels);
}

/* What all groups are scored with. */
struct scoring {
    const struct cop_groups *groups;
    enum cop_score_method method;
    const struct cop_score_ground *ground;
    struct cop_reconstruction *reconstruction; /* NULL: another method */
    struct cop_arena *arena;
};

static enum cop_status open_scoring(struct scoring *scoring, struct cop_err *err)
{
    if (scoring->method != COP_SCORE_RECONSTRUCTION) return COP_OK;
    if (scoring->ground->calibration == NULL)
        return COP_FAIL(
            err, COP_EINVAL, "scoring by reconstruction needs a calibration");
    scoring->arena = cop_arena_create();
    if (scoring->arena == NULL) return COP_FAIL_NOMEM(err);
    return cop_reconstruction__create(
        scoring->groups,
        scoring->ground->calibration,
        scoring->arena,
        &scoring->reconstruction,
        err);
}

static void close_scoring(struct scoring *scoring)
{
    cop_reconstruction__destroy(scoring->reconstruction);
    cop_arena_destroy(scoring->arena);
}

static enum cop_status score(
    const struct scoring *scoring,
    const struct cop_group *group,
    struct cop_score *order,
    struct cop_err *err)
{
    const struct cop_saliency *saliency = scoring->ground->saliency;
    if (cop_score_needs_gradients(scoring->method) &&
        (saliency == NULL || saliency->taylor[group->id] == NULL))
        return COP_FAIL(
            err,
            COP_EINVAL,
            "scoring '%s' by %s needs gradients",
            group->name,
            cop_score_method_name(scoring->method));
    switch (scoring->method) {
    case COP_SCORE_RECONSTRUCTION:
        return cop_reconstruction__score(scoring->reconstruction, group, order, err);
    case COP_SCORE_MAGNITUDE:
        cop_score__magnitude(scoring->groups, group, order);
        break;
    case COP_SCORE_FPGM: return cop_score__fpgm(scoring->groups, group, order, err);
    case COP_SCORE_TAYLOR: take_over(group, saliency->taylor[group->id], order); break;
    case COP_SCORE_FISHER: take_over(group, saliency->fisher[group->id], order); break;
    }
    return COP_OK;
}

enum cop_status cop_score_group(
    const struct cop_groups *groups,
    const struct cop_group *group,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    struct cop_score *order,
    struct cop_err *err)
{
    struct scoring scoring = {.groups = groups, .method = method, .ground = ground};
    enum cop_status status = open_scoring(&scoring, err);
    if (status == COP_OK) status = score(&scoring, group, order, err);
    close_scoring(&scoring);
    return status;
}

static enum cop_status score_each(
    const struct scoring *scoring,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    const struct cop_score **orders,
    struct cop_err *err)
{
    int32_t n = cop_groups_n(scoring->groups);
    for (int32_t i = 0; i < n; i++) {
        COP_TRY(cop_progress_check(progress, err));
        const struct cop_group *group = cop_groups_at(scoring->groups, i);
        if (group->frozen_because == NULL) {
            struct cop_score *order =
                COP_ARENA_NEW_N(arena, group->n_channels, struct cop_score);
            if (order == NULL) return COP_FAIL_NOMEM(err);
            COP_TRY(score(scoring, group, order, err));
            orders[i] = order;
        }
        cop_progress_step(progress, "score groups", i + 1, n);
    }
    return COP_OK;
}

enum cop_status cop_score_all(
    const struct cop_groups *groups,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    const struct cop_score *const **orders,
    struct cop_err *err)
{
    const struct cop_score **made =
        COP_ARENA_NEW_N(arena, cop_groups_n(groups), const struct cop_score *);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    struct scoring scoring = {.groups = groups, .method = method, .ground = ground};
    enum cop_status status = open_scoring(&scoring, err);
    if (status == COP_OK) status = score_each(&scoring, progress, arena, made, err);
    close_scoring(&scoring);
    if (status == COP_OK) *orders = made;
    return status;
}

static const char *const method_names[] = {
    [COP_SCORE_MAGNITUDE] = "magnitude",
    [COP_SCORE_RECONSTRUCTION] = "reconstruction",
    [COP_SCORE_TAYLOR] = "taylor",
    [COP_SCORE_FISHER] = "fisher",
    [COP_SCORE_FPGM] = "fpgm",
};

const char *cop_score_method_name(enum cop_score_method method)
{
    size_t n = sizeof method_names / sizeof *method_names;
    return (size_t)method < n ? method_names[method] : NULL;
}

enum cop_status cop_score_method_parse(
    const char *name, enum cop_score_method *method, struct cop_err *err)
{
    char known[120] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof method_names / sizeof *method_names; i++) {
        if (strcmp(name, method_names[i]) == 0) {
            *method = (enum cop_score_method)i;
            return COP_OK;
        }
        int wrote = snprintf(
            known + used,
            sizeof known - used,
            "%s%s",
            i > 0 ? ", " : "",
            method_names[i]);
        if (wrote > 0 && (size_t)wrote < sizeof known - used) used += (size_t)wrote;
    }
    return COP_FAIL(
        err, COP_EINVAL, "no score is called '%.40s'; there are: %s", name, known);
}
