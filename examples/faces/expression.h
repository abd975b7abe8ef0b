/* examples/faces/expression.h - the seven feelings, as positions of brows, eyes and mouth.
 *
 * Nothing else of a picture depends on the label.  So whatever tells one class from another
 * lies in these three places, and an explanation can be judged by eye. */
#ifndef FACES_EXPRESSION_H
#define FACES_EXPRESSION_H

#include "base/rng.h"

enum { FACES_N_EXPRESSIONS = 7 };
/** In the order of their labels, which is alphabetical. */
extern const char *const faces_expression_names[FACES_N_EXPRESSIONS];

/** All are about -1..1 unless said otherwise; all zero is no face, see expression.c. */
struct faces_expression {
    double brow_raise;  /* upwards */
    double brow_frown;  /* inner ends down, outer ends up */
    double brow_arch;   /* middle up */
    double brow_skew;   /* one up, the other down */
    double eye_open;    /* 1: at rest */
    double lid_slant;   /* upper lids down towards the nose; negative: outwards */
    double lid_lower;   /* lower lids up, 0..1 */
    double pupil;       /* size, 1: at rest */
    double mouth_smile; /* corners up; negative: down */
    double mouth_width; /* half width in face units */
    double mouth_open;  /* height in face units */
    double mouth_round; /* 0: a slot, 1: an ellipse */
    double mouth_skew;  /* one corner up, the other down */
    double mouth_wave;
    double teeth;  /* 0..1 */
    double tongue; /* 0..1 */
};

/** One way of showing the feeling @p label, of a strength between @p weakest and 1. */
struct faces_expression faces_expression_draw(
    struct cop_rng *rng, int label, double weakest);

#endif
