/* explain/report_parts.h - what the sections of the report share: everything the store
 * says about one variant and its original, read once.  Private to explain/. */
#ifndef COP_EXPLAIN_REPORT_PARTS_H
#define COP_EXPLAIN_REPORT_PARTS_H

#include "base/arena.h"
#include "base/text.h"
#include "explain/compare.h"
#include "explain/report.h"

#include <stdbool.h>
#include <stdint.h>

/** Two occlusion maps of one sample for one class. */
struct cop_report_pair {
    const struct cop_attribution_row *maps[2]; /* original, variant */
    struct cop_map_likeness likeness;
    double control; /* rank correlation of the original's map with the variant's map of
                       another sample; NaN if there is no other */
    bool is_lost;   /* chosen because only the original was right */
};

/** One data set that both networks were evaluated on. */
struct cop_report_accuracy {
    const struct cop_dataset_row *dataset;
    const struct cop_evaluation_row *rows[2]; /* original, variant; the newest */
    bool is_searched; /* the search calibrated or decided on it */
};

/** Index 0 is the original, 1 the variant.  A missing row is NULL. */
struct cop_report {
    struct cop_store *store;
    struct cop_report_options options;
    struct cop_arena *arena;
    struct cop_text html;
    const struct cop_model_row *models[2]; /* [0] NULL: the model has no original */
    struct cop_report_accuracy *accuracies;
    int32_t n_accuracies;
    const struct cop_dataset_row *dataset; /* the main one, of evaluations */
    const struct cop_evaluation_row *evaluations[2];
    const struct cop_measurement_row *measurements[2];
    const struct cop_run_row *run; /* the search that the variant came from */
    const struct cop_candidate_row *candidates;
    int32_t n_candidates;
    const struct cop_candidate_row *chosen; /* the variant as a candidate */
    const struct cop_cut_row *cuts;
    int32_t n_cuts;
    struct cop_class_change *classes;
    int32_t n_classes;
    bool has_behaviour;
    struct cop_behaviour behaviour;
    const struct cop_dataset_row *map_dataset;       /* that the maps were made on */
    const struct cop_evaluation_row *map_answers[2]; /* to that data set */
    struct cop_report_pair *pairs;                   /* lost ones first */
    int32_t n_pairs;
    const struct cop_attribution_row *channels[2]; /* "channel-ablation-abs", by id */
    int32_t n_channels[2];
    char audit_root[COP_HASH_HEX];
    int64_t audit_length;
};

/** Reads all of it.  Allocates in report->arena. */
COP_NODISCARD enum cop_status cop_report__load(
    struct cop_report *report, const char *name, struct cop_err *err);

/* The sections, in order; each appends to report->html. */
COP_NODISCARD enum cop_status cop_report__summary(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__numbers(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__search(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__cuts(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__behaviour(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__classes(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__evidence(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__channels(
    struct cop_report *report, struct cop_err *err);
COP_NODISCARD enum cop_status cop_report__method(
    struct cop_report *report, struct cop_err *err);

/** The page's style sheet: for all media, then for narrow screens and paper. */
extern const char *const cop_report__style;
extern const char *const cop_report__print_style;

/* ---- what several sections say ---------------------------------------------------- */

/** Below this many samples a class is "too few to judge". */
enum { COP_REPORT_FEW = 30 };

/** original time / variant time, measured in turn if possible; NaN if not measured. */
double cop_report__speedup(const struct cop_report *report);
/** Milliseconds of the two that cop_report__speedup divides. */
void cop_report__times(const struct cop_report *report, double ms[2]);
/** 95 % Wilson interval of an evaluation's top-1, percent. */
void cop_report__interval(
    const struct cop_evaluation_row *evaluation, double *low, double *high);
/** The class with the largest loss that is not chance (adjusted p < 0.05); NULL: none. */
const struct cop_class_change *cop_report__worst(const struct cop_report *report);
/** Name of class @p target of the data the maps were made on; "class 7" if unknown. */
const char *cop_report__class_name(const struct cop_report *report, int64_t target);
/** Median of likeness.spearman and of control over all pairs, and evidence retention
 *  (s - control) / (1 - control); NaN if there are no pairs. */
void cop_report__retention(
    const struct cop_report *report, double *alike, double *control, double *retention);
/** The class index of @p json's array of strings as a copy in the arena; NULL if none. */
const char *cop_report__json_item(
    struct cop_arena *arena, const char *json, int64_t index);

#endif
