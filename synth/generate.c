/* synth/generate.c - from a budget to widths, greedily by saving per error; see generate.h. */
#include "synth/tables.h"

#include <string.h>

/* How far a prediction is over budget, 1.0 = just within, in the worst quantity. */
static double excess(const struct cop_prediction *p, const struct cop_budget *budget)
{
    double worst = 0.0;
    if (budget->ms > 0.0 && p->ms / budget->ms > worst) worst = p->ms / budget->ms;
    if (budget->macs > 0.0 && p->macs / budget->macs > worst)
        worst = p->macs / budget->macs;
    if (budget->params > 0.0 && p->params / budget->params > worst)
        worst = p->params / budget->params;
    return worst;
}

struct step {
    int32_t option;
    int32_t width;
    double worth;
};

/* The best way to narrow one group: any width below the present one, because the next one
 * may save nothing where a later one crosses a vector block. */
static struct step best_step_of(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice,
    int32_t o,
    double excess_now)
{
    const struct cop_option *option = &tables->options[o];
    struct step best = {.option = o, .width = -1};
    int32_t now = choice[o];
    for (int32_t w = now + 1; w < option->n_widths; w++) {
        struct cop_prediction after;
        choice[o] = w;
        cop_tables_predict(tables, choice, &after);
        double saved = excess_now - excess(&after, budget);
        if (saved <= 1e-6 * excess_now) continue;
        double hurt =
            coefficients[o] * (option->errors[w] - option->errors[now]) + 1e-9;
        double worth = saved / (hurt > 1e-9 ? hurt : 1e-9);
        if (best.width < 0 || worth > best.worth) {
            best.width = w;
            best.worth = worth;
        }
    }
    choice[o] = now;
    return best;
}

bool cop_generate(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice)
{
    memset(choice, 0, (size_t)tables->n_options * sizeof *choice);
    for (;;) {
        struct cop_prediction now;
        cop_tables_predict(tables, choice, &now);
        double excess_now = excess(&now, budget);
        if (excess_now <= 1.0) return true;
        struct step best = {.width = -1};
        for (int32_t o = 0; o < tables->n_options; o++) {
            struct step step =
                best_step_of(tables, coefficients, budget, choice, o, excess_now);
            if (step.width < 0) continue;
            if (best.width < 0 || step.worth > best.worth) best = step;
        }
        if (best.width < 0) return false;
        choice[best.option] = best.width;
    }
}
