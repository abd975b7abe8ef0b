/* explain/compare.h - an original against its variant: same answers, same evidence?
 *
 * Works on what is stored (store.h: answers and maps), so a report never computes evidence
 * anew.  Pure functions. */
#ifndef COP_EXPLAIN_COMPARE_H
#define COP_EXPLAIN_COMPARE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** One record of cop_evaluation_row.answers, decoded. */
struct cop_stored_answer {
    int32_t sample;
    int32_t answer;
    float p_answer;
    float p_label;
};
enum { COP_STORED_ANSWER_BYTES = 16 };

/** Right means: the label got the probability that the answer got (store.h keeps no
 *  label; an unlabelled sample has p_label NaN and is never right). */
bool cop_stored_answer_is_right(const struct cop_stored_answer *answer);
/** Record @p i; the caller knows that it is there. */
struct cop_stored_answer cop_stored_answer_at(
    const struct cop_evaluation_row *row, int64_t i);
/** How many whole records there are. */
int64_t cop_stored_answers_n(const struct cop_evaluation_row *row);

/** Two models' answers to the same samples.  Counts. */
struct cop_behaviour {
    int64_t n;    /* samples that both answered */
    int64_t same; /* same answer */
    int64_t both_right;
    int64_t lost; /* negative flips: only the original was right */
    int64_t won;  /* positive flips: only the variant is right */
    int64_t both_wrong_same;
    int64_t both_wrong_other;
    double same_low; /* 95 % Wilson interval of same / n */
    double same_high;
    double mcnemar_p; /* exact, two-sided, of lost against won */
};
/** Pairs records by sample; both lists ascend by sample.  COP_EFORMAT if they do not. */
COP_NODISCARD enum cop_status cop_compare_answers(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_behaviour *behaviour,
    struct cop_err *err);

/** One class before and after. */
struct cop_class_change {
    const char *name;
    int64_t n;
    int64_t right[2]; /* original, variant */
    double recall[2]; /* percent; NaN if n is 0 */
    double low[2];    /* 95 % Wilson interval, percent */
    double high[2];
    double change;     /* points */
    int64_t lost;      /* samples of the class that only the original got right */
    int64_t won;       /* ... only the variant; both after cop_compare_class_flips */
    double p;          /* exact McNemar p of lost against won */
    double p_adjusted; /* for looking at many classes (Benjamini and Hochberg 1995) */
};
/** Reads both rows' per_class_json; classes in the original's order, names and array in
 *  @p arena.  COP_EFORMAT if the text is not what store.h says or the classes differ. */
COP_NODISCARD enum cop_status cop_compare_classes(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_arena *arena,
    struct cop_class_change **classes,
    int32_t *n,
    struct cop_err *err);

/** Fills lost, won and their p values.  A flip tells its label: it is the answer of the
 *  model that was right.  COP_EFORMAT if a label is none of the @p n classes, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_compare_class_flips(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_class_change *classes,
    int32_t n,
    struct cop_err *err);

/** How alike two maps [rows][cols] are. */
struct cop_map_likeness {
    double spearman; /* of the signed values, -1 .. 1; NaN if one map is flat */
    double cosine;   /* of the signed values, -1 .. 1; NaN if one map is all zero */
    double top10;    /* overlap (IoU) of the 10 % most positive cells, 0 .. 1 */
    double shift;    /* between centres of positive mass, share of the diagonal; NaN if
                        one map has none */
};
COP_NODISCARD enum cop_status cop_compare_maps(
    const float *original,
    const float *variant,
    int64_t rows,
    int64_t cols,
    struct cop_map_likeness *likeness,
    struct cop_err *err);

/** Where a map's positive mass lies; for the text beside a picture. */
struct cop_map_focus {
    double mass;       /* sum of positive values */
    double area50;     /* share of the cells that hold half of it, largest first */
    double centre[2];  /* row, column as shares of height and width */
    const char *where; /* "upper left", "centre", ...; static */
};
COP_NODISCARD enum cop_status cop_map_focus(
    const float *map,
    int64_t rows,
    int64_t cols,
    struct cop_map_focus *focus,
    struct cop_err *err);

/** What the cut channels of one layer were worth in the original. */
struct cop_reliance {
    int64_t removed;
    int64_t n_channels;
    double
        share; /* of the layer's summed mean absolute ablation effect; NaN if that is 0 */
};
/** @p effects [n] mean absolute effects of the original's channels; the cut row tells which
 *  were removed.  COP_EFORMAT if the two do not fit. */
COP_NODISCARD enum cop_status cop_compare_reliance(
    const float *effects,
    int64_t n,
    const struct cop_cut_row *cut,
    struct cop_reliance *reliance,
    struct cop_err *err);

#endif
