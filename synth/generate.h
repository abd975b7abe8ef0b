/* synth/generate.h - the generator: a time budget becomes a width per group.
 *
 * Tables per group (error at every width that fits the machine's block, from prune/score.h)
 * and per node (milliseconds at a few uniform cuts, measured on this machine) let the
 * generator predict a network without building it.  One generator yields many networks:
 * its parameters are a coefficient per group, which the inquisitor adjusts. */
#ifndef COP_SYNTH_GENERATE_H
#define COP_SYNTH_GENERATE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "prune/calibrate.h"
#include "prune/cut.h"
#include "prune/groups.h"
#include "prune/score.h"
#include "prune/work.h"

#include <stdint.h>

enum { COP_N_LEVELS = 4 }; /* uniform cuts whose node times are measured */

/** One group that may be cut.  Its whole widths fill the machine's vector block.  Those in
 *  between cost the time of the next whole one, and only make good what a whole step cut
 *  too much. */
struct cop_cut_option {
    const struct cop_group *group;
    const struct cop_score *order; /* [n_channels], first to go first; NULL: unscored */
    int64_t step;                  /* whole widths are its multiples, and n_channels */
    int32_t n_widths;
    const int64_t *widths; /* descending; widths[0] = n_channels; the last is whole */
    const double *errors;  /* relative squared error at each width; errors[0] = 0 */
};

/** The next whole width below index @p w; n_widths if there is none. */
int32_t cop_cut_option_next(const struct cop_cut_option *option, int32_t w);
/** The middle one of the whole widths. */
int32_t cop_cut_option_middle(const struct cop_cut_option *option);

struct cop_tables; /* options, node times, how widths scale them; borrows the groups */

struct cop_tables_options {
    /* By group id, as cop_score_all gives them; NULL: the errors are 0, for those who only
     * ask what cuts save. */
    const struct cop_score *const *orders;
    /* The batch and threads that count; NULL: nothing is measured, milliseconds are 0. */
    const struct cop_plan_options *plan;
    bool
        gains_biases; /* by repair: parameters then are an upper bound (prune/work.h) */
};

/** Measures the levels.  @p arena keeps everything.  What cop_cut_apply and
 *  cop_plan_profile return; COP_EINTR.  Tables serve one thread at a time. */
COP_NODISCARD enum cop_status cop_tables_make(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_tables_options *options,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    struct cop_tables **tables,
    struct cop_err *err);

int32_t cop_tables_n_options(const struct cop_tables *tables);
const struct cop_cut_option *cop_tables_option(
    const struct cop_tables *tables, int32_t i);

/** What the tables say of a network: choice[i] indexes option i's widths. */
struct cop_prediction {
    double ms; /* sum over nodes; multiply by the measured scale */
    double macs;
    double params;
};
void cop_tables_predict(
    const struct cop_tables *tables,
    const int32_t *choice,
    struct cop_prediction *prediction);
/** What goes when @p n channels of one group alone are cut, any group, in milliseconds
 *  also; its whole cost with n = n_channels. */
void cop_tables_save(
    const struct cop_tables *tables,
    int32_t group,
    int64_t n,
    struct cop_prediction *saving);
/** Name of the node that takes most of the time at that choice, and its share. */
const char *cop_tables_slowest(
    const struct cop_tables *tables, const int32_t *choice, double *share);

struct cop_budget {
    double ms; /* 0: no bound */
    double macs;
    double params;
};

/** Walks from the full network to one within the budget, each time taking the whole step
 *  that saves most per unit of coefficients[i] * error; then gives back what was cut too
 *  much, in finer widths where whole ones leave more than 1 % unused and time is not
 *  bounded.  False if the least widths still exceed the budget; @p choice then is the
 *  least. */
bool cop_generate(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_budget *budget,
    int32_t *choice);

/** The cut that a choice stands for; lives in @p arena. */
COP_NODISCARD enum cop_status cop_tables_cut(
    const struct cop_tables *tables,
    const int32_t *choice,
    struct cop_arena *arena,
    struct cop_cut *cut,
    struct cop_err *err);

#endif
