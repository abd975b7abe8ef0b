/* synth/generate.c - from a budget to widths, greedily by saving per error; see generate.h.
 *
 * Every step narrows the group that saves most of the quantity that is furthest over its
 * budget, per error.  A group's best step is remembered until a neighbour (a group that
 * shrinks the same work) is narrowed or another quantity becomes the worst, so networks
 * with a thousand groups take no longer than it takes to look at each a few times. */
#include "synth/tables.h"

#include <string.h>

/* What remains is near its limit from this share on. */
static const double NEAR = 0.99;

enum quantity { MS, MACS, PARAMS, N_QUANTITIES };

static void totals_of(const struct cop_prediction *p, double totals[N_QUANTITIES])
{
    totals[MS] = p->ms;
    totals[MACS] = p->macs;
    totals[PARAMS] = p->params;
}

/* The quantity furthest over budget; *excess is how far, 1.0 = just within. */
static enum quantity worst_of(
    const double totals[N_QUANTITIES], const struct cop_budget *budget, double *excess)
{
    const double bounds[N_QUANTITIES] = {budget->ms, budget->macs, budget->params};
    enum quantity worst = MS;
    *excess = 0.0;
    for (int q = 0; q < N_QUANTITIES; q++) {
        if (bounds[q] <= 0.0 || totals[q] / bounds[q] <= *excess) continue;
        *excess = totals[q] / bounds[q];
        worst = (enum quantity)q;
    }
    return worst;
}

/* What the nodes and constants that a group touches come to, at tables->removed. */
static void sum_touched(
    const struct cop_tables *tables, int32_t group, double sums[N_QUANTITIES])
{
    const struct cop_work *work = tables->work;
    const struct cop_work_touched *touched = &work->touched[group];
    memset(sums, 0, N_QUANTITIES * sizeof *sums);
    for (int32_t i = 0; i < touched->n_nodes; i++) {
        int32_t node = touched->nodes[i];
        double x = cop_work_left(&work->nodes[node], tables->removed);
        sums[MS] += cop_synth__node_ms(tables, node, x);
        sums[MACS] += (double)work->nodes[node].size * x;
    }
    for (int32_t i = 0; i < touched->n_consts; i++) {
        const struct cop_work_item *item = &work->consts[touched->consts[i]];
        sums[PARAMS] += (double)item->size * cop_work_left(item, tables->removed);
    }
}

/* The best way to narrow one group: any width below the present one, because the next one
 * may save nothing where a later one crosses a vector block. */
static struct cop_step best_step_of(
    const struct cop_tables *tables,
    double coefficient,
    enum quantity quantity,
    double least_saving,
    const int32_t *choice,
    int32_t o)
{
    const struct cop_cut_option *option = &tables->options[o];
    int32_t group = option->group->id;
    int32_t now = choice[o];
    struct cop_step best = {.width = -1};
    double before[N_QUANTITIES];
    sum_touched(tables, group, before);
    for (int32_t w = cop_cut_option_next(option, now); w < option->n_widths;
         w = cop_cut_option_next(option, w)) {
        double after[N_QUANTITIES];
        tables->removed[group] = option->widths[0] - option->widths[w];
        sum_touched(tables, group, after);
        double saved = before[quantity] - after[quantity];
        if (saved <= least_saving) continue;
        double hurt = coefficient * (option->errors[w] - option->errors[now]);
        double worth = saved / (hurt > 1e-9 ? hurt : 1e-9);
        if (best.width < 0 || worth > best.worth) {
            best.width = w;
            best.worth = worth;
            for (int q = 0; q < N_QUANTITIES; q++)
                best.saved[q] = before[q] - after[q];
        }
    }
    tables->removed[group] = option->widths[0] - option->widths[now];
    return best;
}

/* The steps of these groups have to be found again: they share work with @p group. */
static void forget_neighbours(const struct cop_tables *tables, int32_t group)
{
    const struct cop_work *work = tables->work;
    const struct cop_work_touched *touched = &work->touched[group];
    for (int32_t i = 0; i < touched->n_nodes; i++) {
        const struct cop_work_item *item = &work->nodes[touched->nodes[i]];
        for (int32_t p = 0; p < item->n_parts; p++)
            tables->is_known[item->parts[p].group] = false;
    }
    for (int32_t i = 0; i < touched->n_consts; i++) {
        const struct cop_work_item *item = &work->consts[touched->consts[i]];
        for (int32_t p = 0; p < item->n_parts; p++)
            tables->is_known[item->parts[p].group] = false;
    }
    tables->is_known[group] = false;
}

static void forget_all(const struct cop_tables *tables)
{
    memset(
        tables->is_known,
        0,
        (size_t)cop_groups_n(tables->groups) * sizeof *tables->is_known);
}

/* The option to narrow next; -1: none saves anything. */
static int32_t best_option(
    const struct cop_tables *tables,
    const double *coefficients,
    enum quantity quantity,
    double least_saving,
    const int32_t *choice)
{
    int32_t best = -1;
    for (int32_t o = 0; o < tables->n_options; o++) {
        bool *is_known = &tables->is_known[tables->options[o].group->id];
        if (!*is_known)
            tables->steps[o] = best_step_of(
                tables, coefficients[o], quantity, least_saving, choice, o);
        *is_known = true;
        if (tables->steps[o].width < 0) continue;
        if (best < 0 || tables->steps[o].worth > tables->steps[best].worth) best = o;
    }
    return best;
}

/* Narrows until the running totals are within the budget; false: nothing is left to
 * narrow. */
static bool narrow(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice)
{
    struct cop_prediction start;
    double totals[N_QUANTITIES];
    double excess;
    cop_tables_predict(tables, choice, &start); /* sets tables->removed */
    totals_of(&start, totals);
    enum quantity worst = worst_of(totals, budget, &excess);
    forget_all(tables);
    while (excess > 1.0) {
        int32_t o =
            best_option(tables, coefficients, worst, 1e-6 * totals[worst], choice);
        if (o < 0) return false;
        const struct cop_step step = tables->steps[o];
        const struct cop_cut_option *option = &tables->options[o];
        choice[o] = step.width;
        tables->removed[option->group->id] =
            option->widths[0] - option->widths[step.width];
        for (int q = 0; q < N_QUANTITIES; q++)
            totals[q] -= step.saved[q];
        forget_neighbours(tables, option->group->id);
        enum quantity before = worst;
        worst = worst_of(totals, budget, &excess);
        if (worst != before) forget_all(tables);
    }
    return true;
}

struct widening {
    int32_t option; /* -1: none fits */
    int32_t width;
    double gained; /* error that goes away */
    double cost[N_QUANTITIES];
};

/* The widening of one option that takes most error away and stays within the budget. */
static void try_widening(
    const struct cop_tables *tables,
    double coefficient,
    const struct cop_budget *budget,
    bool is_fine, /* not only whole widths */
    const double totals[N_QUANTITIES],
    const int32_t *choice,
    int32_t o,
    struct widening *best)
{
    const struct cop_cut_option *option = &tables->options[o];
    int32_t group = option->group->id;
    double before[N_QUANTITIES];
    sum_touched(tables, group, before);
    for (int32_t w = choice[o] - 1; w >= 0; w--) {
        if (!is_fine && w > 0 && option->widths[w] % option->step != 0) continue;
        double gained = coefficient * (option->errors[choice[o]] - option->errors[w]);
        double cost[N_QUANTITIES];
        double after[N_QUANTITIES];
        double excess;
        tables->removed[group] = option->widths[0] - option->widths[w];
        sum_touched(tables, group, cost);
        for (int q = 0; q < N_QUANTITIES; q++) {
            cost[q] -= before[q];
            after[q] = totals[q] + cost[q];
        }
        (void)worst_of(after, budget, &excess);
        if (excess > 1.0) break; /* wider still costs more */
        if (gained <= best->gained) continue;
        *best = (struct widening){.option = o, .width = w, .gained = gained};
        memcpy(best->cost, cost, sizeof cost);
    }
    tables->removed[group] = option->widths[0] - option->widths[choice[o]];
}

/* Gives back widths, what takes most error away first, as long as some fit. */
static void widen(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    bool is_fine,
    double totals[N_QUANTITIES],
    int32_t *choice)
{
    for (;;) {
        struct widening best = {.option = -1};
        for (int32_t o = 0; o < tables->n_options; o++) {
            if (choice[o] > 0)
                try_widening(
                    tables, coefficients[o], budget, is_fine, totals, choice, o, &best);
        }
        if (best.option < 0) return;
        const struct cop_cut_option *option = &tables->options[best.option];
        choice[best.option] = best.width;
        tables->removed[option->group->id] =
            option->widths[0] - option->widths[best.width];
        for (int q = 0; q < N_QUANTITIES; q++)
            totals[q] += best.cost[q];
    }
}

/* The last steps down were larger than what was missing: gives back what fits.  A step of a
 * group that runs through half the network is worth more than what is left over, and no
 * other group may have been cut; then finer widths come near the limit. */
static void give_back(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice)
{
    struct cop_prediction now;
    double totals[N_QUANTITIES];
    double used;
    cop_tables_predict(tables, choice, &now); /* sets tables->removed */
    totals_of(&now, totals);
    widen(tables, coefficients, budget, false, totals, choice);
    (void)worst_of(totals, budget, &used);
    if (budget->ms <= 0.0 && used < NEAR)
        widen(tables, coefficients, budget, true, totals, choice);
}

bool cop_generate(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice)
{
    memset(choice, 0, (size_t)tables->n_options * sizeof *choice);
    for (;;) { /* running totals round: what they say is checked */
        if (!narrow(tables, coefficients, budget, choice)) return false;
        struct cop_prediction now;
        double totals[N_QUANTITIES];
        double excess;
        cop_tables_predict(tables, choice, &now);
        totals_of(&now, totals);
        (void)worst_of(totals, budget, &excess);
        if (excess > 1.0) continue;
        give_back(tables, coefficients, budget, choice);
        return true;
    }
}
