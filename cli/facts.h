/* cli/facts.h - what the project knows of its models, as list, show and compare tell it. */
#ifndef COP_CLI_FACTS_H
#define COP_CLI_FACTS_H

#include "cli/cli.h"
#include "cli/output.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** One model; strings live in the command's arena.  Unknown numbers are NaN. */
struct cop_facts {
    struct cop_model_row row;
    const char *parent; /* NULL: an original */
    bool has_measurement;
    bool has_evaluation;
    struct cop_measurement_row measurement; /* the newest */
    struct cop_evaluation_row evaluation;   /* the newest, on any data set */
    const char *data;                       /* of the evaluation; NULL */
    bool has_candidate; /* the search that made it is the parent's newest */
    struct cop_candidate_row candidate;
    double median_ms;
    double top1;
    double faster; /* times the parent's speed; timed in turn with it where known */
    double drop;   /* points of top-1 lost against the parent on the same samples */
};

/** All models, in the order they were put.  COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_facts_list(
    struct cop_cli *cli, struct cop_facts **facts, int32_t *n, struct cop_err *err);
/** The model of that name.  COP_ENOTFOUND lists the names there are. */
COP_NODISCARD enum cop_status cop_facts_find(
    const struct cop_facts *facts,
    int32_t n,
    const char *name,
    const struct cop_facts **found,
    struct cop_err *err);

/** The keys of one line of `list`. */
void cop_facts_json(struct cop_cli *cli, cJSON *object, const struct cop_facts *facts);

/** "2026-11-21 06:10:02" in UTC; returns @p text. */
char *cop_facts_time(char text[32], int64_t created_us);

#endif
