/* tests/ops/check_relevance.c - (7) what arrives at a node is passed on, absorbed by its
 * constants or taken by the stabiliser, for every rule that claims to conserve. */
#include "check.h"

#include "explain/lrp.h"
#include "explain/relevance.h"

#include <math.h>
#include <stdlib.h>

static bool run_relevance(
    struct check *check,
    const struct cop_relevance_flow *io,
    struct cop_relevance_balance *balance)
{
    if (!check_status(
            check,
            cop_relevance_node(
                check->engine,
                check->built.graph,
                check->built.node,
                io,
                balance,
                &check->err),
            "relevance"))
        return false;
    const double left =
        balance->arrived - balance->passed - balance->absorbed - balance->stabilised;
    check->n_relevance++;
    if (!(balance->magnitude > 0.0))
        return check_fail(check, "no relevance arrived or passed");
    if (fabs(left) <= 1e-3 * balance->magnitude) return true;
    return check_fail(
        check,
        "relevance of %.9g arrived, %.9g passed, %.9g absorbed, %.9g stabilised",
        balance->arrived,
        balance->passed,
        balance->absorbed,
        balance->stabilised);
}

bool check_relevance(struct check *check)
{
    const struct cop_node *const node = check->built.node;
    if (!check_is_live(check) || check->call.dst[0].dtype != COP_F32) return true;
    if (!node->op->relevance->conserves || check->line->opset < 13) return true;
    float *src[REF_MAX_SRC] = {NULL};
    float *to[REF_MAX_SRC] = {NULL};
    float *from[REF_MAX_DST] = {NULL};
    for (int s = 0; s < check->line->n_src; s++) {
        if (check->line->src[s].kind != CASE_ACTIVATION) continue;
        src[s] = check_src_floats(&check->src[s]);
        to[s] = check_floats(ref_n(&check->src[s]));
    }
    for (int d = 0; d < check->line->n_dst; d++) {
        const int64_t n = ref_n(&check->call.dst[d]);
        from[d] = check_floats(n);
        for (int64_t i = 0; i < n; i++)
            from[d][i] = (float)cop_rng_range(&check->rng, 0.0, 1.0);
    }
    const struct cop_relevance_flow io = {
        .mb = check->line->mb,
        .src = (const float *const *)src,
        .dst_relevance = (const float *const *)from,
        .src_relevance = to,
        .threads = 1};
    struct cop_relevance_balance balance;
    const bool is_good = run_relevance(check, &io, &balance);
    for (int s = 0; s < REF_MAX_SRC; s++)
        free(src[s]);
    for (int s = 0; s < REF_MAX_SRC; s++)
        free(to[s]);
    for (int d = 0; d < REF_MAX_DST; d++)
        free(from[d]);
    return is_good;
}
